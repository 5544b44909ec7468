"""The source "score" and the command line, with weights of a few steps: what holds whatever the network says."""

from pathlib import Path

import numpy as np
import pytest
import torch
from ase.build import bulk
from ase.io import read, write
from lightning.fabric import Fabric
from pymatgen.core import Composition as Formula
from pymatgen.io.ase import AseAtomsAdaptor

from asegen.calculators import Generator, Request
from asegen.cli.main import main
from asegen.errors import InputError
from asegen.generation.sources.score import Score, settled
from asegen.symmetry.analysis import Site, SymmetricCrystal
from asegen.training.loop import WEIGHTS, train
from asegen.training.recipe import recipe_from_table

TABLE = {
    "model": {
        "class": "SymmetricDimeNet",
        **{
            "hidden": 8,
            "output": 8,
            "interaction": 4,
            "basis": 4,
            "blocks": 1,
            "degrees": 3,
            "radial": 3,
            "cutoff": 4.0,
        },
    },
    "optimizer": {"steps": 2, "warmup_steps": 1, "ema": 0.5},
    "validate_every": 2,
}


def trained(folder: Path, *options: str, **task: object) -> Path:
    structures = [bulk("NaCl", "rocksalt", a=5.64), bulk("CsCl", "cesiumchloride", a=4.12), bulk("Mg"), bulk("Si")]
    for split in ("train", "val"):
        write(folder / f"{split}.extxyz", structures)
        main(
            ["ingest", str(folder / f"{split}.extxyz"), "-o", str(folder), "--symmetry", "0.1", "--jobs", "1", *options]
        )
    recipe = recipe_from_table("test", {**TABLE, "task": {"class": "SymmetricScore", "cutoff": 4.0, **task}})
    train(recipe, folder, folder / "run", Fabric(accelerator="cpu", devices=1))
    return folder / "run" / WEIGHTS


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("general")
    return str(trained(folder, "--general", nearest=20, merged=0.3, general=True))


@pytest.fixture(scope="module")
def generator(weights: str) -> Generator:
    return Generator(Score(weights, device="cpu"))


WANTED = Request(spacegroup="Fm-3m", sites="Na:1,Cl:1")


def test_sites_in_general_position_become_crystals_with_the_group(generator: Generator) -> None:
    drawn = generator.generate(WANTED, n=4, steps=1)
    for atoms in drawn:
        assert atoms.info["sites_requested"] == "Na:1 Cl:1" and atoms.info["spacegroup_requested"] == 225
        assert "formula_requested" not in atoms.info and atoms.info["attempt"] == 0
        assert atoms.info["sampling"] == "done"
        assert AseAtomsAdaptor.get_structure(atoms).composition == Formula(atoms.info["formula"])
        if atoms.info["valid"]:
            assert atoms.info["spacegroup"] >= 225 or "spacegroup" not in atoms.info
        letters = atoms.info["wyckoff"].split()
        assert [part.split(":")[0] for part in letters] in (["Cl", "Na"], ["Na", "Cl"])
    again = generator.generate(WANTED, n=4, steps=1)
    alone = Generator(generator.source, batch_size=1).generate(WANTED, n=2, steps=1)
    for one, other, third in zip(drawn, again, alone, strict=False):
        np.testing.assert_array_equal(one.positions, other.positions)
        np.testing.assert_allclose(one.cell.array, third.cell.array, atol=1e-3)


def test_the_command_line_draws_resumes_and_reports(weights: str, tmp_path: Path) -> None:
    out = str(tmp_path / "a.extxyz")
    asked = ["generate", "--spacegroup", "225", "--sites", "Na:1,Cl:1", "--model", weights, "--steps", "1", "-n", "3"]
    main([*asked, "-o", out])
    first = Path(out).read_text()
    assert len(read(out, ":")) == 3 and all("Na" in atoms.info["formula"] for atoms in read(out, ":"))
    main([*asked, "-o", out, "--resume"])
    assert Path(out).read_text() == first
    main([*asked, "-o", str(tmp_path / "b.extxyz"), "--seed", "1"])
    assert (tmp_path / "b.extxyz").read_text() != first


def test_a_formula_without_sites_takes_those_of_known_crystals(generator: Generator) -> None:
    (atoms,) = generator.generate(Request("CsCl", spacegroup=221), steps=1)
    assert atoms.info["sites_requested"] == "Cs:1 Cl:1" and atoms.info["formula_requested"] == "CsCl"


def test_the_published_sampler_can_be_chosen(generator: Generator, weights: str) -> None:
    published = Generator(Score(weights, device="cpu", repulsion=0.0))
    assert published.source.settings() != generator.source.settings()
    pairs = zip(published.generate(WANTED, n=6, steps=1), generator.generate(WANTED, n=6, steps=1), strict=True)
    assert any(not np.allclose(one.positions, other.positions) for one, other in pairs)


def test_what_cannot_be_is_refused(generator: Generator) -> None:
    with pytest.raises(InputError, match="repulsion -1: 0 or more"):
        Score(repulsion=-1.0)
    with pytest.raises(InputError, match="by numbers"):
        generator.generate(Request(spacegroup=225, sites="Na:a Cl:b"))
    with pytest.raises(InputError, match="monoclinic and triclinic"):
        generator.generate(Request("Na2Cl2", spacegroup=14))
    with pytest.raises(InputError, match="no training data"):
        generator.generate(Request("NaXe", spacegroup=225, sites="Na:1,Xe:1"))
    with pytest.raises(InputError, match="symmetric-mp"):
        Generator(Score("symmetric-mp"))  # weights of another task


def test_sites_in_their_own_positions_keep_the_composition(tmp_path: Path) -> None:
    path = trained(tmp_path)
    generator = Generator(Score(str(path), device="cpu"))
    for atoms in generator.generate(Request("Mg2", spacegroup=194), n=2, steps=1):
        assert AseAtomsAdaptor.get_structure(atoms).composition == Formula("Mg2")


def test_settled_sites_have_the_letters_of_their_places() -> None:
    sites = (Site("l", 11, (0, 0, 0)), Site("l", 17, (0.5, 0.5, 0.5)), Site("l", 8, (0.3, 0, 0)))
    found = settled(SymmetricCrystal(225, 5.64 * np.eye(3), sites))
    assert [(site.letter, site.number) for site in found.sites] == [("a", 11), ("b", 17), ("e", 8)]


def test_a_sample_that_fails_says_so(weights: str) -> None:
    source = Score(weights, device="cpu")
    with torch.no_grad():
        for parameter in source.sampler._model.parameters():
            parameter.fill_(torch.nan)
    for atoms in Generator(source).generate(WANTED, n=2, steps=1):
        assert atoms.info["sampling"] == "failed" and np.isfinite(atoms.positions).all()
        assert not atoms.info["valid"] and atoms.info["reason"]
