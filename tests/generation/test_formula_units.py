"""Numbers of formula units: those of known crystals, from everyday chemistry; turns; and one list across cells."""

from collections import Counter

import pytest
from ase import Atoms
from ase.build import bulk
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.io.ase import AseAtomsAdaptor

from asegen.calculators import Generator, Ranking, Request, open_source
from asegen.errors import InputError
from asegen.generation.compositions import from_formula
from asegen.generation.source import Identity, Source, with_cells
from asegen.prototypes.catalogue import Catalogue
from asegen.prototypes.formula_units import Units, shares, summed, turn
from asegen.structures.formulas import parse_formula


@pytest.fixture(scope="module")
def template() -> Generator:
    """The shipped templates, with volumes of the elements."""
    return Generator(open_source("template", device="cpu", quick=True), order_by="likelihood")


@pytest.mark.parametrize(
    ("formula", "multiples"),
    [("NaCl", {1}), ("SrTiO3", {1, 2, 4}), ("ZnO", {1, 2}), ("TiO2", {2, 4}), ("LiFePO4", {2, 4}), ("Al2O3", {2})],
)
def test_cells_of_known_kinds(template: Generator, formula: str, multiples: set[int]) -> None:
    cells = template.plan(formula).batches[0][0].target.cells
    assert cells is not None and multiples <= {cell.multiple for cell in cells}
    assert sum(cell.share for cell in cells) == pytest.approx(1, abs=1e-4)
    found = {len(atoms) // sum(parse_formula(formula).values()) for atoms in template.generate(formula, n=8)}
    assert multiples & found and found <= {cell.multiple for cell in cells}


def test_a_formula_that_is_written_out_is_the_cell(template: Generator) -> None:
    assert {len(atoms) for atoms in template.generate("Ti2O4", n=4)} == {6}
    assert {len(atoms) for atoms in template.generate(Request("TiO2", multiples=[4]), n=4)} == {12}
    assert {atoms.info["formula"] for atoms in template.generate("Ti2O4", n=2)} == {"Ti2O4"}


def test_cells_are_as_large_as_asked_for(template: Generator) -> None:
    sizes = [len(atoms) for atoms in template.generate(Request("TiO2", max_atoms=6), n=6)]
    assert max(sizes) == 6
    assert max(len(a) for a in template.generate("LiFePO4", n=6)) == 28  # of olivines
    assert max(len(a) for a in template.generate(Request("LiFePO4", max_atoms=20), n=6)) == 14


def test_models_draw_cells_in_turn(diffusion: Source) -> None:
    found = Generator(diffusion).generate("TiO2", n=6, steps=2)
    sizes = Counter(len(atoms) for atoms in found)
    assert len(sizes) > 1 and max(sizes) <= 20
    for atoms in found:
        assert parse_formula(atoms.info["formula"]) == Counter(atoms.get_chemical_symbols())


def test_a_space_group_has_the_cells_of_its_crystals(symmetric: Source) -> None:
    cells = Generator(symmetric).plan(Request("TiO2", spacegroup="P4_2/mnm")).batches[0][0].target.cells
    assert cells is not None and cells[0].multiple == 2
    (target,) = {s.target for s in Generator(symmetric).plan(Request("MgB3O7", spacegroup=194)).batches[0]}
    assert target.cells is not None and len(target.cells) == 1  # none is known: the fewest that fit
    with pytest.raises(InputError, match="fits no Wyckoff positions"):
        Generator(symmetric).plan(Request("Na3Cl5", spacegroup=230))


def test_files_stay_exact(tmp_path) -> None:  # noqa: ANN001
    (tmp_path / "t.csv").write_text("material_id,formula,n_atoms\na,TiO2,6\n")
    (target,) = Request(file=tmp_path / "t.csv").targets()
    assert target.cells is None and len(target.numbers) == 6


def test_votes_of_the_catalogue_and_of_the_library_agree(template: Generator) -> None:
    for formula in ("CaF2", "MgAl2O4"):
        (unit,) = from_formula(formula)
        ours = shares(template.source.templates.library.unit_votes(unit.numbers), len(unit.numbers))
        others = shares(Catalogue.shipped().unit_votes(Counter(unit.numbers)), len(unit.numbers))
        assert ours[0].multiple == others[0].multiple


def test_shares_and_turns() -> None:
    votes = summed([(1, 0.8), (2, 0.1), (2, 0.1)])
    wide = 0.8 ** (1 / 3), 2 * 0.1 ** (1 / 3)
    assert votes == pytest.approx({1: 0.8 + 0.25 * wide[0] / sum(wide), 2: 0.2 + 0.25 * wide[1] / sum(wide)})
    assert summed([]) == {} and shares({}, 4) == (Units(1, 1.0),)
    assert [cell.multiple for cell in shares({1: 1.0, 9: 0.01}, 3)] == [1]  # 27 atoms, and few say so
    assert [cell.multiple for cell in shares({1: 1.0, 9: 0.5}, 3)] == [1, 9]
    assert [cell.multiple for cell in shares({1: 1.0, 9: 0.5}, 3, max_atoms=26)] == [1]
    cells = (Units(2, 0.6), Units(1, 0.4))
    taken = [turn(cells, k) for k in range(10)]
    assert Counter(multiple for multiple, _ in taken) == {2: 6, 1: 4} and taken[0] == (2, 0)
    assert sorted(before for multiple, before in taken if multiple == 2) == list(range(6))


class Polymorphs(Source):
    """Copper in cells of one, two and four atoms, the lowest second."""

    identity = Identity("polymorphs", "1", frozenset({29}), max_atoms=4, default_steps=1)
    chooses_cells = True

    def propose(self, samples, seeds, steps):  # noqa: ANN001, ANN202
        shapes = [bulk("Cu", "sc", a=2.4), bulk("Cu", "fcc", a=3.61), bulk("Cu", "fcc", a=3.61, cubic=True)]
        return [shapes[sample.repeat % 3].copy() for sample in samples]


def test_a_ranking_is_one_list_across_cells_and_supercells_are_copies() -> None:
    generator = Generator(Polymorphs(), rank=Ranking("emt", 3, device="cpu"))
    for request in ("Cu", Request("Cu", multiples=[1, 2, 4])):
        found = generator.generate(request, n=3)
        assert [atoms.info["rank"] for atoms in found] == [1, 2]
        assert found[0].info["energy_per_atom"] < found[1].info["energy_per_atom"]
        assert found[0].info["point_operations"] == 48
    (best,) = generator.generate(Request("Cu", multiples=[1, 2, 4]), n=1)
    assert best.info["energy_per_atom"] == found[0].info["energy_per_atom"]


def test_templates_of_all_cells_are_different_crystals(template: Generator) -> None:
    found = [AseAtomsAdaptor.get_structure(atoms) for atoms in template.generate("ZnO", n=6)]
    matcher = StructureMatcher()
    assert not any(matcher.fit(a, b) for k, a in enumerate(found) for b in found[:k])


def test_the_same_seed_gives_the_same_and_a_run_goes_on(template: Generator, tmp_path) -> None:  # noqa: ANN001
    out = tmp_path / "a.extxyz"
    template.run("TiO2", out, n=5)
    text = out.read_text()
    assert template.run("TiO2", out, n=5, resume=True).was_complete
    template.run("TiO2", out, n=5, overwrite=True)
    assert out.read_text() == text
    parts: list[Atoms] = template.generate("TiO2", n=3)
    assert [a.info["template"] for a in parts] == [a.info["template"] for a in template.generate("TiO2", n=5)][:3]


class Small(Source):
    """A network that has seen cells of at most five atoms."""

    identity = Identity("small", "1", frozenset(range(1, 90)), max_atoms=5, default_steps=1)

    def propose(self, samples, seeds, steps):  # noqa: ANN001, ANN202
        return []


def test_open_cells_are_no_larger_than_what_a_network_has_seen() -> None:
    assert with_cells(Small(), Request("SrTiO3").targets())[0].most_atoms == 5
    assert with_cells(Small(), Request("SrTiO3", max_atoms=20).targets())[0].most_atoms == 20
    assert with_cells(Small(), Request("LiFePO4").targets())[0].most_atoms == 7  # one formula unit always may be
