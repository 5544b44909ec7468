"""Crystals from templates: the nearest structures in order, all different, and what the model fills in."""

import re
from itertools import combinations
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import spglib
from ase import Atoms
from ase.build import bulk
from ase.io import read, write
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.io.ase import AseAtomsAdaptor

from asegen.calculators import Generator, open_source, relax_structures
from asegen.cli.main import main
from asegen.errors import InputError
from asegen.generation.source import Source
from asegen.generation.sources.turns import Known, Turns
from asegen.generation.templates import Templates
from asegen.prototypes.sources import open_library


@pytest.fixture(scope="module")
def generator(template: Source) -> Generator:
    return Generator(template)


def test_structures_differ_and_come_in_order(generator: Generator) -> None:
    structures = generator.generate("KCl", n=4)
    assert {atoms.info["source"] for atoms in structures} == {"template"}
    priors = [atoms.info["log_prior"] for atoms in structures]
    assert priors == sorted(priors, reverse=True)
    for pair in combinations(structures, 2):
        assert not StructureMatcher().fit(*map(AseAtomsAdaptor.get_structure, pair))


def test_info_tells_template_and_group(generator: Generator) -> None:
    (atoms,) = generator.generate("BaTiO3")
    assert atoms.symbols.get_chemical_formula(mode="reduce") == "BaTiO3"
    cell = (atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers)
    assert atoms.info["spacegroup"] == spglib.get_symmetry_dataset(cell, symprec=0.01).number == 221
    assert atoms.info["template"].startswith("AB3C_cP5_221")
    assert atoms.info["valid"]


def test_volumes_are_the_relaxers_and_nothing_else_is(generator: Generator) -> None:
    slow = Generator(open_source("template", templates="aflow", device="cpu"), order_by="likelihood")
    likeliest = Generator(generator.source, order_by="likelihood")
    for rough, fine in zip(likeliest.generate("SrTiO3", n=2), slow.generate("SrTiO3", n=2), strict=True):
        relaxed = relax_structures([rough])[0].atoms
        assert fine.get_volume() == pytest.approx(relaxed.get_volume(), rel=1e-5)
        np.testing.assert_allclose(fine.get_scaled_positions(), rough.get_scaled_positions(), atol=1e-9)
        np.testing.assert_allclose(fine.cell.angles(), rough.cell.angles(), atol=1e-9)
    (cubic,) = slow.generate("SrTiO3")
    assert cubic.cell.lengths() == pytest.approx([3.94] * 3, abs=0.04)  # PBE
    assert generator.source.settings() != slow.source.settings()


def test_the_seed_changes_nothing_but_what_the_model_draws(generator: Generator) -> None:
    likeliest = Generator(generator.source, order_by="likelihood")  # otherwise the model may replace some
    first, second = (likeliest.generate("MgO", n=2, seed=seed) for seed in (1, 2))
    assert all((a.positions == b.positions).all() for a, b in zip(first, second, strict=True))


def test_the_model_draws_what_has_no_template(generator: Generator) -> None:
    (atoms,) = generator.generate("Na7Cl11", steps=2)
    assert atoms.info["source"] == "diffusion" and "template" not in atoms.info
    assert sorted(atoms.numbers) == [11] * 7 + [17] * 11


def test_elements_without_training_data_need_templates(generator: Generator) -> None:
    (atoms,) = generator.generate("RaO")
    assert atoms.info["source"] == "template"
    with pytest.raises(InputError, match="fewer than 1 templates"):
        generator.generate("Ra7O11")


def test_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    write(tmp_path / "known.extxyz", [bulk("NaCl", "rocksalt", a=5.64), bulk("CsCl", "cesiumchloride", a=4.12)])
    out = tmp_path / "out.extxyz"
    arguments = ["generate", "KBr", "-n", "3", "--method", "template", "--templates", str(tmp_path / "known.extxyz")]
    main([*arguments, "--device", "cpu", "--quick", "--steps", "2", "-o", str(out)])
    assert [atoms.info["source"] for atoms in read(out, ":")] == ["template", "template"]
    assert "note: 1 fewer than asked for: there are no more templates" in capsys.readouterr().err
    main([*arguments, "--device", "cpu", "--quick", "--steps", "2", "-o", str(out), "--resume"])
    assert "complete" in capsys.readouterr().err
    filled = [*arguments, "--model", "torusflow-mp", "--device", "cpu", "--quick", "--steps", "2", "--overwrite"]
    main([*filled, "-o", str(out)])
    assert [atoms.info["source"] for atoms in read(out, ":")] == ["template", "template", "diffusion"]
    assert "note: 1 had no template" in capsys.readouterr().err


def test_own_crystals_by_text_or_path(tmp_path: Path) -> None:
    write(tmp_path / "own.extxyz", bulk("NaCl", "rocksalt", a=5.64))
    by_text, by_path = (
        Generator(open_source("template", templates=given, quick=True)).generate("KBr")
        for given in (str(tmp_path / "own.extxyz"), tmp_path / "own.extxyz")
    )
    assert by_text == by_path
    assert spglib.get_spacegroup((by_path[0].cell, by_path[0].get_scaled_positions(), by_path[0].numbers)) == (
        "Fm-3m (225)"
    )


def test_without_a_model_there_are_templates_only() -> None:
    generator = Generator(open_source("template", templates="aflow", device="cpu", quick=True))
    found = generator.generate(["KCl", "Na7Cl11"], n=2)
    assert [atoms.info["sample_index"] for atoms in found] == [0, 1]
    with pytest.raises(InputError, match="no template of Na7Cl11") as caught:
        generator.generate("Na7Cl11")
    assert caught.value.parameters == ("model",)


def test_a_map_says_which_element_takes_the_place_of_which(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = Generator(open_source("template", templates="aflow", element_map="Ca:Sr Ti:Zr", quick=True))
    for atoms in generator.generate("SrZrO3", n=9):
        assert "221" in atoms.info["template"] or "62" in atoms.info["template"]  # CaTiO3, cubic and orthorhombic
    assert generator.plan(["NaCl", "SrZrO3"]).batches  # one of them fits
    with pytest.raises(InputError, match="with these elements exchanged"):
        generator.generate("Sr7Zr11")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    write(tmp_path / "known.cif", bulk("NaCl", "rocksalt", a=5.64))
    out = tmp_path / "out.extxyz"
    main(["generate", "--from", str(tmp_path / "known.cif"), "--map", "Na:K", "--method", "template", "-o", str(out)])
    atoms = read(out)
    assert atoms.get_chemical_formula() == "ClK" and atoms.info["template_distance"] > 0
    assert spglib.get_symmetry_dataset((atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers)).number == 225


def test_a_map_that_gives_none_of_the_formulas_is_refused(template: Source) -> None:
    templates = Templates(cast("Turns", template).templates.library, None, {3: 11})
    mapped = Turns("template", templates, [], {"template": Known(templates)}, {"template": 1.0})
    with pytest.raises(InputError, match="^element_map = Li:Na: Na is not in LiFePO4; write NaFePO4$") as caught:
        Generator(mapped).plan("LiFePO4")
    assert caught.value.parameters == ("element_map",)
    with pytest.raises(InputError, match="^element_map = Li:Na: Na is not in MgO$"):
        Generator(mapped).plan(["MgO", "CaO"])


@pytest.mark.parametrize("text", ["", "Li", "Li:", ":Na", "Li:Xx", "Li:Na Li:K", "Li:Na K:Na"])
def test_bad_maps(text: str) -> None:
    with pytest.raises(InputError, match="element_map"):
        open_source("template", templates="aflow", element_map=text, quick=True)


DISORDERED = """data_x
_cell_length_a 3
_cell_length_b 3
_cell_length_c 3
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
Fe1 Fe 0 0 0 0.5
"""


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.extxyz", "", "empty"),
        ("half.cif", DISORDERED, "partial occupancy|disorder|occupan"),
        ("missing.csv", None, "no such file"),
    ],
)
def test_bad_templates_are_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
    name: str,
    content: str | None,
    message: str,
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(SystemExit) as caught:
        main(["generate", "KBr", "--method", "template", "--templates", str(tmp_path / name), "-o", "out.extxyz"])
    printed = capsys.readouterr().err
    assert caught.value.code == 2 and printed.count("\n") == 1
    assert re.search(message, printed)


def test_what_is_no_template_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    whole = DISORDERED.replace("data_x", "data_y").replace("0.5\n", "1.0\n")
    (tmp_path / "mixed.cif").write_text(DISORDERED + whole)
    arguments = ["generate", "Cu", "--method", "template", "--templates", str(tmp_path / "mixed.cif")]
    for _ in range(2):  # read, and remembered
        main([*arguments, "--overwrite", "-o", str(tmp_path / "out.extxyz")])
        assert "1 of 2 structures in" in (said := capsys.readouterr().err) and "partial occupancy (1)" in said
    assert read(tmp_path / "out.extxyz").info["template"] == "mixed-1"


@pytest.mark.parametrize(
    "arguments",
    [["--templates", "aflow", "--method", "diffusion"], ["--method", "template", "--spacegroup", "225"]],
    ids=lambda a: a[0],
)
def test_options_that_do_not_go_together(arguments: list[str], capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["generate", "KBr", *arguments, "-o", "out.extxyz"])
    assert caught.value.code == 2 and "template" in capsys.readouterr().err


def test_molecules_are_no_templates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    write(tmp_path / "mixed.extxyz", [Atoms("NaCl", positions=[(0, 0, 0), (0, 0, 2.4)]), bulk("NaCl", "rocksalt", 5.6)])
    assert open_library(str(tmp_path / "mixed.extxyz")).ids == ["1"]


def test_the_guides_example_of_a_map_has_a_template() -> None:
    guide = (Path(__file__).parents[3] / "docs/guides/generate.md").read_text(encoding="utf-8")
    ((element_map, formula),) = re.findall(r'element_map="([^"]+)"\)\)\.generate\("(\w+)"\)', guide)
    (found,) = Generator(open_source("template", element_map=element_map)).generate(formula)
    assert found.info["template"].startswith("LiMnO4P")
    assert f'`{formula} --map "{element_map}"`' in guide
