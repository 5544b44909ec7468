"""Ranking: candidates in the order of energies that others compute, all different, whatever they are drawn with."""

import pickle
from itertools import combinations
from math import isnan, log
from pathlib import Path

import numpy as np
import pytest
import spglib
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.io.ase import AseAtomsAdaptor

from asegen.calculators import Generator, Ranking, Request
from asegen.errors import AsegenError, InputError
from asegen.generation.ranked import by_energy
from asegen.generation.rankers import find_ranker
from asegen.generation.source import Identity, Source


class Shelf(Source):
    """Gives fixed structures in turn, of any formula."""

    identity = Identity("shelf", "1", frozenset(range(1, 100)), max_atoms=4, default_steps=1)
    chooses_cells = True  # it has cells of its own

    def __init__(self, structures: list[Atoms]) -> None:
        self.structures, self.asked = structures, 0

    def propose(self, samples, seeds, steps):  # noqa: ANN001, ANN202
        self.asked += len(samples)
        return [self.structures[sample.repeat % len(self.structures)].copy() for sample in samples]


def ranked(source: Source, by: str, candidates: int, batch_size: int = 64) -> Generator:
    return Generator(source, rank=Ranking(by, candidates, device="cpu"), batch_size=batch_size)


COPPER = [bulk("Cu", kind, a=a) for kind, a in [("sc", 2.4), ("fcc", 3.61), ("bcc", 2.87)]]


def test_order_and_energies_are_those_of_the_calculator() -> None:
    found = ranked(Shelf(COPPER), "emt", 3).generate("Cu", n=3)
    energies = []
    for atoms in found:
        atoms.calc = EMT()
        energies.append(atoms.get_potential_energy() / len(atoms))
    np.testing.assert_allclose([atoms.info["energy_per_atom"] for atoms in found], energies, atol=1e-5)
    assert energies == sorted(energies)
    assert [atoms.info["rank"] for atoms in found] == [1, 2, 3]
    assert {atoms.info["ranked_by"] for atoms in found} == {"emt"}


def test_shards_share_formulas_out_and_keep_each_whole() -> None:
    generator = ranked(Shelf(COPPER), "emt", 3)
    shards = [generator.plan(["Cu", "Ag", "Au"], n=3, shard=f"{k}/3").batches for k in (1, 2, 3)]
    assert [[sample.target.formula for batch in shard for sample in batch] for shard in shards] == [
        [symbol] * 3 for symbol in ("Cu", "Ag", "Au")
    ]


def test_a_ranking_goes_through_a_pickle() -> None:
    generator = ranked(Shelf(COPPER), "emt", 3)
    drawn = generator.generate("Cu", n=3)
    assert drawn == pickle.loads(pickle.dumps(generator)).generate("Cu", n=3)


def test_copies_are_left_out_and_the_next_follow() -> None:
    copies = [COPPER[1], COPPER[1].repeat(1), COPPER[0], COPPER[1]]
    found = ranked(Shelf(copies), "emt", 4).generate("Cu", n=4)
    assert len(found) == 2 and [atoms.info["sample_index"] for atoms in found] == [0, 1]
    for pair in combinations(found, 2):
        assert not StructureMatcher().fit(*map(AseAtomsAdaptor.get_structure, pair))


def test_what_keeps_less_keeps_the_first() -> None:
    generator = ranked(Shelf(COPPER), "emt", 3)
    whole, best = generator.generate("Cu", n=3), generator.generate("Cu", n=1)
    assert len(best) == 1
    np.testing.assert_array_equal(best[0].positions, whole[0].positions)


def test_a_formula_asked_for_twice_is_drawn_once_and_goes_on() -> None:
    shelf = Shelf(COPPER)
    found = ranked(shelf, "emt", 3).generate(["Cu", "Cu"])
    assert shelf.asked == 3
    assert [(atoms.info["sample_index"], atoms.info["rank"]) for atoms in found] == [(0, 1), (1, 2)]


def test_rows_of_a_file_get_the_best_each(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("material_id,formula\na,Cu\nb,Cu\n")
    shelf = Shelf(COPPER)
    found = ranked(shelf, "emt", 3).generate(Request(file=tmp_path / "t.csv"))
    assert shelf.asked == 3
    assert [(atoms.info["material_id"], atoms.info["rank"]) for atoms in found] == [("a", 1), ("b", 1)]


def with_energies(energies: list[float], priors: list[float]) -> list[Atoms]:
    found = [Atoms("Cu") for _ in energies]
    for k, atoms in enumerate(found):
        atoms.info = {"energy_per_atom": energies[k], "prior": priors[k], "candidate": k}
    return found


def test_the_prior_decides_within_the_error_only() -> None:
    order = [a.info["candidate"] for a in by_energy(with_energies([-1.0, -1.3, -1.29, -1.27], [9, 0, 5, 8]), 0.02)]
    assert order == [2, 1, 3, 0]  # 3 is within the error of 2, but not of 1, the lowest
    assert [a.info["candidate"] for a in by_energy(with_energies([0.0, -0.1], [5, 0]), 0.02)] == [1, 0]


def test_the_order_by_likelihood_weighs_both() -> None:
    hidden = [COPPER[0].copy(), COPPER[1].copy()]
    hidden[0].info["log_prior"] = 100.0
    likely = Generator(Shelf(hidden), rank=Ranking("emt", 2, device="cpu", order_by="likelihood")).generate("Cu", n=2)
    low = ranked(Shelf(hidden), "emt", 2).generate("Cu", n=2)
    assert [atoms.info["candidate"] for atoms in likely] == [0, 1]
    assert [atoms.info["candidate"] for atoms in low] == [1, 0]


def test_alignn_orders_elements_and_its_energies_are_above_the_hull() -> None:
    from asegen.hull.table import shipped_hull

    carbon = [bulk("C", "diamond", a=3.57), bulk("C", "fcc", a=3.1)]
    for atoms, prior in zip(carbon, (-3.0, -1.0), strict=True):
        atoms.info["log_prior"] = prior
    found = ranked(Shelf(carbon), "alignn", 2).generate("C", n=2)
    assert [atoms.info["candidate"] for atoms in found] == [0, 1]  # diamond lies far below, whatever was likelier
    (alloy,) = ranked(Shelf([bulk("KNa", "cesiumchloride", a=4.4)]), "alignn", 1).generate("KNa")
    expected = shipped_hull().above({11: 1, 19: 1}, alloy.info["energy_per_atom"])
    assert alloy.info["e_hull"] == pytest.approx(expected, abs=1e-4) and "measured_against" not in alloy.info


def test_what_is_invalid_comes_last_and_is_marked() -> None:
    overlapping = Atoms("Cu2", cell=[2.5, 2.5, 2.5], scaled_positions=[(0, 0, 0), (0.1, 0, 0)], pbc=True)
    found = ranked(Shelf([overlapping, COPPER[1]]), "emt", 2).generate("Cu", n=2)
    assert [atoms.info["valid"] for atoms in found] == [True, False]
    assert found[1].info["reason"].startswith("overlapping")
    assert "energy_per_atom" not in found[1].info


def test_score_weighs_prior_energy_and_symmetry() -> None:
    hidden = [COPPER[0].copy(), bulk("Cu", "fcc", a=3.61, orthorhombic=True)]
    hidden[0].info["log_prior"] = -2.0
    found = ranked(Shelf(hidden), "emt", 2).generate("Cu", n=2)
    for atoms in found:
        group = spglib.get_symmetry_dataset((atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers), 0.1)
        operations = {"m-3m": 48, "4/mmm": 16}[group.pointgroup]
        prior = -2.0 if len(atoms) == 1 else 0.0
        expected = prior + 1.4 * log(operations) - atoms.info["energy_per_atom"] / 0.05
        assert atoms.info["score"] == pytest.approx(expected)


def test_without_an_energy_the_prior_decides() -> None:
    likely = [atoms.copy() for atoms in COPPER]
    for atoms, prior in zip(likely, (-1.0, -3.0, -2.0), strict=True):
        atoms.info["log_prior"] = prior
    found = ranked(Shelf(likely), "none", 3).generate("Cu", n=3)
    assert [atoms.info["log_prior"] for atoms in found] == [-1.0, -2.0, -3.0]
    assert all("energy_per_atom" not in atoms.info for atoms in found)


def test_batches_change_nothing(template: Source) -> None:
    formulas = ["KCl", "MgO", "CaTiO3", "NaBr"]
    large, small = ranked(template, "none", 3), ranked(template, "none", 3, batch_size=1)
    pairs = list(zip(large.generate(formulas, n=2), small.generate(formulas, n=2), strict=True))
    assert pairs
    for a, b in pairs:
        assert a.info["template"] == b.info["template"]
        np.testing.assert_allclose(a.positions, b.positions, atol=1e-3)


def test_a_structure_that_the_calculator_cannot_judge_does_not_end_the_run() -> None:
    found = ranked(Shelf([bulk("Si")]), "emt", 1).generate("Si2")
    assert "Si" in found[0].info["energy_missing"] and "energy_per_atom" not in found[0].info


def test_relaxation_by_the_calculator_lowers_its_energy() -> None:
    (single,) = find_ranker("emt").judge([COPPER[1]])
    (relaxed,) = find_ranker("emt", relax_steps=20).judge([COPPER[1]])
    assert relaxed.energy < single.energy
    assert relaxed.atoms.cell.volume != pytest.approx(COPPER[1].cell.volume)


def test_chgnet_in_batches_gives_what_its_calculator_gives() -> None:
    pytest.importorskip("chgnet")
    from chgnet.model.dynamics import CHGNetCalculator

    structures = [bulk("NaCl", "rocksalt", a=5.6), bulk("Cu"), bulk("MgO", "rocksalt", a=4.2), bulk("Xe", a=9.5)]
    structures.append(bulk("Cu", "sc", a=0.8))
    found = find_ranker("chgnet", "cpu").judge(structures)
    assert isnan(found[3].energy) and found[3].reason.startswith("isolated atom")
    assert isnan(found[4].energy) and found[4].reason.startswith("bad volume")
    for atoms, one in zip(structures[:3], found, strict=False):
        atoms.calc = CHGNetCalculator(use_device="cpu", verbose=False)
        assert one.energy == pytest.approx(atoms.get_potential_energy() / len(atoms), abs=1e-5)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("asegen.potentials.chgnet.util.find_spec", lambda name: None)
    with pytest.raises(AsegenError, match="chgnet is not installed"):
        find_ranker("chgnet")


@pytest.mark.parametrize(
    ("name", "steps", "message"),
    [
        ("energy", 0, "no calculator 'energy'.*alignn"),
        ("alignn", 5, "needs forces"),
        ("none", 5, "needs forces"),
        ("emt", -1, "at least 0"),
        ("no.such:thing", 0, "no calculator"),
    ],
)
def test_rankings_that_are_not_there(name: str, steps: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        find_ranker(name, "cpu", steps)


def test_no_more_can_be_kept_than_there_are() -> None:
    generator = ranked(Shelf(COPPER), "none", 3)
    with pytest.raises(InputError, match="1 to 3"):
        generator.generate("Cu", n=4)
    with pytest.raises(InputError, match="at least 1 candidate"):
        ranked(Shelf(COPPER), "none", 0)
