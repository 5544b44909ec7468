"""Ranked structures above the hull: known crystals of the composition take the ranker's error out."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from ase import Atoms
from ase.build import bulk

from asegen.generation.above_hull import AboveHull
from asegen.generation.rankers import Judged
from asegen.hull.table import shipped_hull
from asegen.potentials.references import ElementReferences


@dataclass
class TooHigh:
    """Gives every crystal a formation energy so far above the hull, and counts what it is asked."""

    offset: float
    asked: int = 0
    name = identity = "too high"
    scale = error = 0.05
    references: ElementReferences | None = None
    gives_formation_energies = True

    def judge(self, structures: Sequence[Atoms]) -> list[Judged]:
        self.asked += len(structures)
        points = [shipped_hull().point(Counter(atoms.numbers.tolist())).energy for atoms in structures]
        return [Judged(atoms, energy + self.offset) for atoms, energy in zip(structures, points, strict=True)]


def placed(ranker: TooHigh, above: Sequence[float], structure: Atoms) -> list[Atoms]:
    """Copies of a structure that the ranker puts so far above its own form."""
    (energy,) = (one.energy for one in ranker.judge([structure]))
    pool = [structure.copy() for _ in above]
    for atoms, more in zip(pool, above, strict=True):
        atoms.info["energy_per_atom"] = energy + more
    place = AboveHull(ranker)
    place.place(pool)
    place.place(pool)
    return pool


def test_salt_is_measured_against_the_known_salt() -> None:
    ranker = TooHigh(0.3)
    pool = placed(ranker, [0.0, 0.07, -0.02], bulk("NaCl", "rocksalt", a=5.64))
    assert [atoms.info["e_hull"] for atoms in pool] == pytest.approx([0.0, 0.07, -0.02], abs=1e-4)
    assert {atoms.info["measured_against"] for atoms in pool} == {"NaCl-225"}
    assert ranker.asked == 2  # the structure here, and the known crystal once


def test_where_nothing_is_known_formation_energies_count() -> None:
    (alloy,) = placed(TooHigh(0.3), [0.0], bulk("KNa", "cesiumchloride", a=4.4))
    assert alloy.info["e_hull"] == pytest.approx(0.3, abs=1e-4) and "measured_against" not in alloy.info
    (gas,) = placed(TooHigh(0.3), [0.0], bulk("XeF", "rocksalt", a=5.0))
    assert "e_hull" not in gas.info  # the hull has a gap there


def test_without_references_there_is_no_way_to_tell() -> None:
    ranker = TooHigh(0.3)
    ranker.gives_formation_energies = False
    assert "e_hull" not in placed(ranker, [0.0], bulk("NaCl", "rocksalt", a=5.64))[0].info
    worth = {"Na": -1.5, "Cl": -2.0}
    ranker.references = ElementReferences(worth, 0.02)
    (salt,) = placed(ranker, [0.05], bulk("NaCl", "rocksalt", a=5.64))
    assert salt.info["e_hull"] == pytest.approx(0.05, abs=1e-4)
