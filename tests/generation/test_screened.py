"""What lies far above the hull comes last, others are drawn in its place, and nothing else changes."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.io import read

from asegen.calculators import Generator
from asegen.errors import InputError
from asegen.generation import stability
from asegen.generation.plan import Sample
from asegen.generation.screened import GROUP, MARGIN, MAX_ABOVE_HULL, SPARE, Different
from asegen.generation.source import Identity, Source
from asegen.generation.stability import ABOVE_HULL, FORMATION_ENERGY, MISSING, Stability
from asegen.prototypes.sources import open_library


class Shelf(Source):
    """Rock salt, whose lattice constant says which sample it was."""

    identity = Identity("shelf", "1", frozenset(range(1, 100)), max_atoms=8, default_steps=1)
    chooses_cells = True  # it has cells of its own
    mixes_known_types = True

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []

    def propose(self, samples: Sequence[Sample], seeds: Sequence[int], steps: int | None) -> list[Atoms]:
        self.asked += [(sample.target.formula, sample.repeat) for sample in samples]
        return [self._made(sample) for sample in samples]

    def _made(self, sample: Sample) -> Atoms:
        atoms = bulk("NaCl", "rocksalt", a=5 + sample.repeat / 100)
        atoms.numbers = sample.target.numbers
        return atoms


def place(atoms: Atoms) -> int:
    return round(100 * (float(atoms.cell.volume) * 4) ** (1 / 3)) - 500


@pytest.fixture(autouse=True)
def no_copies(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rock salt of every size counts as another crystal, but for tests of copies."""
    if "copies" not in request.node.name:
        monkeypatch.setattr(Different, "add", lambda self, atoms: None)


@pytest.fixture
def heights(monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[int, float]], None]:
    """Sets the predicted energies above the hull by the place in the source's order; 0 of all others."""
    chosen: dict[int, float] = {}

    def judge(self: Stability, structures: Sequence[Atoms]) -> None:
        for atoms in structures:
            atoms.info[ABOVE_HULL] = chosen.get(place(atoms), 0.0)

    monkeypatch.setattr(Stability, "judge", judge)
    return chosen.update


def places(n: int, formula: str | list[str] = "NaCl", **options: object) -> list[int]:
    return [place(atoms) for atoms in Generator(Shelf(), **options).generate(formula, n=n)]  # type: ignore[arg-type]


def test_sensible_structures_keep_their_order_and_nothing_more_is_drawn(heights: Callable) -> None:
    heights({0: 0.2, 2: MAX_ABOVE_HULL, 3: -0.1})
    shelf = Shelf()
    assert [place(atoms) for atoms in Generator(shelf).generate("NaCl", n=4)] == [0, 1, 2, 3]
    assert len(shelf.asked) == 4


def test_what_lies_far_above_the_hull_is_replaced(heights: Callable) -> None:
    heights({1: 0.9, 2: 0.4})
    assert places(4) == [0, 3, 4, 5]
    assert places(4, order_by="likelihood") == [0, 1, 2, 3]


def test_where_nothing_better_is_found_the_lowest_come_first(heights: Callable) -> None:
    heights({k: 5.0 - k / 5 for k in range(GROUP)})
    assert places(1) == [4]  # the first and four more are drawn


def test_what_is_about_as_high_as_the_lowest_keeps_its_order(heights: Callable) -> None:
    heights(dict.fromkeys(range(GROUP), 0.8) | {2: 0.8 - 0.9 * MARGIN, 1: 1.5})
    assert places(3) == [0, 2, 3]


def test_elements_keep_the_source_s_order(heights: Callable) -> None:
    heights({0: 0.7, 1: 0.4})
    assert places(2, "C2") == [0, 1]


def test_what_has_no_energy_counts_as_sensible(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Stability, "judge", lambda self, structures: None)
    assert places(3) == [0, 1, 2]


def test_a_group_draws_a_bounded_number_more_and_leaves_the_others_alone(heights: Callable) -> None:
    heights(dict.fromkeys(range(GROUP), 1.0))
    shelf = Shelf()
    found = [place(atoms) for atoms in Generator(shelf).generate("NaCl", n=GROUP + 2)]
    assert found[:SPARE] == list(range(GROUP, GROUP + SPARE))
    assert found[GROUP:] == [GROUP + SPARE, GROUP + SPARE + 1]
    assert len(shelf.asked) == len(set(shelf.asked)) == GROUP + SPARE + 2


def test_neither_batches_nor_shards_nor_other_formulas_change_anything(heights: Callable, tmp_path: Path) -> None:
    heights({0: 0.5, 3: 0.5, 4: 0.5})
    alone = places(5)
    assert places(5, batch_size=2) == alone
    assert places(5, ["KCl", "NaCl"])[5:] == places(5, ["NaCl", "KCl"])[:5] == alone
    generator = Generator(Shelf(), batch_size=5)
    parts = []
    for k in (1, 2):
        generator.run(["KCl", "NaCl"], tmp_path / f"{k}.extxyz", n=5, shard=f"{k}/2")
        parts += read(tmp_path / f"{k}.extxyz", ":")
    whole = generator.generate(["KCl", "NaCl"], n=5)
    for a, b in zip(whole, sorted(parts, key=lambda atoms: atoms.info["sample_index"]), strict=True):
        np.testing.assert_allclose(a.positions, b.positions, atol=1e-7)
        assert a.info["candidate"] == b.info["candidate"] and a.info["sample_index"] == b.info["sample_index"]


def test_shards_share_the_groups_of_formulas_out() -> None:
    formulas = ["NaCl", "KCl", "MgO", "CaO", "SrO", "BaO", "LiF", "KF"]
    shelf = Generator(Shelf())
    shards = [shelf.plan(formulas, n=2, shard=f"{k}/4").batches for k in (1, 2, 3, 4)]
    shared = [[sample.target.formula for batch in shard for sample in batch] for shard in shards]
    assert [len(shard) for shard in shared] == [4, 4, 4, 4]
    assert all(len(set(shard)) == 2 for shard in shared) and {f for shard in shared for f in shard} == set(formulas)
    assert [len(shelf.plan("NaCl", n=GROUP, shard=f"{k}/2").batches) for k in (1, 2)] == [1, 0]
    assert len(shelf.plan(formulas, n=2).batches) == 1  # one run draws all of it at once


def test_a_complete_run_is_known_again_and_another_order_is_not(heights: Callable, tmp_path: Path) -> None:
    heights({0: 0.5})
    out = tmp_path / "out.extxyz"
    Generator(Shelf()).run("NaCl", out, n=2)
    assert Generator(Shelf()).run("NaCl", out, n=2, resume=True).was_complete
    with pytest.raises(InputError, match="other arguments"):
        Generator(Shelf(), order_by="likelihood").run("NaCl", out, n=2, resume=True)


def test_orders_that_cannot_be() -> None:
    with pytest.raises(InputError, match="energy, likelihood"):
        Generator(Shelf(), order_by="beauty")
    with pytest.raises(InputError, match="energy, likelihood"):
        Generator(Shelf(), order_by="beauty", rank="none")


def test_energies_are_alignn_s_against_the_shipped_hull() -> None:
    from asegen.calculators.property import predict
    from asegen.hull.table import shipped_hull

    salt, alloy = bulk("NaCl", "rocksalt", a=5.69), bulk("KNa", "cesiumchloride", a=4.4)
    flat = Atoms("NaCl", cell=[3, 3, 0], pbc=True)
    known = open_library("mp").of_composition({11: 1, 17: 1}, 40)[0][1]
    Stability("cpu").judge([salt, alloy, flat])
    energies = [one.values["formation_energy_per_atom"] for one in predict([salt, alloy, known])]
    assert salt.info[FORMATION_ENERGY] == pytest.approx(energies[0], abs=1e-4)
    # Rock salt lies on the hull; of K and Na there is no known crystal.
    assert salt.info[ABOVE_HULL] == pytest.approx(energies[0] - energies[2], abs=1e-3)
    assert alloy.info[ABOVE_HULL] == pytest.approx(shipped_hull().above({11: 1, 19: 1}, energies[1]), abs=1e-4)
    assert ABOVE_HULL not in flat.info and flat.info[MISSING].startswith("bad cell")


def test_an_element_that_the_network_never_saw_has_a_reason() -> None:
    odd = bulk("Og", "fcc", a=6)
    Stability("cpu").judge([odd])
    assert ABOVE_HULL not in odd.info and "Og" in odd.info[MISSING]
    assert stability.FORMATION_ENERGY not in odd.info


def test_where_the_hull_has_a_gap_there_is_a_reason() -> None:
    fluoride = Atoms("XeF2", positions=[[0, 0, 0], [0, 0, 2], [0, 0, -2]], cell=[4.3, 4.3, 7], pbc=True)
    Stability("cpu").judge([fluoride])
    assert ABOVE_HULL not in fluoride.info and "Xe" in fluoride.info[MISSING] and FORMATION_ENERGY in fluoride.info


class Types(Shelf):
    """Rock salt twice, then two other types, then rock salt for ever."""

    def _made(self, sample: Sample) -> Atoms:
        kinds = [("rocksalt", 5.6), ("rocksalt", 5.7), ("cesiumchloride", 3.5), ("zincblende", 6.1)]
        kind, length = kinds[sample.repeat] if sample.repeat < len(kinds) else kinds[1]
        return bulk("NaCl", kind, a=length)


def test_copies_come_last_and_others_are_drawn_in_their_place(heights: Callable) -> None:
    heights({})
    shelf = Types()
    found = [atoms.info["candidate"] for atoms in Generator(shelf).generate("NaCl", n=3)]
    assert found == [0, 2, 3] and len(shelf.asked) == 5
    found = [atoms.info["candidate"] for atoms in Generator(Types()).generate("NaCl", n=5)]
    assert found == [0, 2, 3, 1, 4]  # there are no others


def test_a_supercell_is_one_of_the_copies() -> None:
    seen = Different()
    salt = bulk("NaCl", "rocksalt", a=5.6)
    others = [bulk("NaCl", "cesiumchloride", a=3.5), bulk("KCl", "rocksalt", a=6.3), bulk("KCl", "rocksalt", a=6.4)]
    assert [seen.add(atoms) for atoms in (salt, salt.repeat((2, 1, 1)), *others)] == [None, 0, None, None, 3]


def test_the_likelier_of_copies_takes_the_first_place(heights: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    heights({})
    priors = {0: -4.0, 1: -1.0}
    made = Types._made

    def with_prior(self: Types, sample: Sample) -> Atoms:
        atoms = made(self, sample)
        atoms.info["log_prior"] = priors.get(sample.repeat, -9.0)
        return atoms

    monkeypatch.setattr(Types, "_made", with_prior)
    found = [atoms.info["candidate"] for atoms in Generator(Types()).generate("NaCl", n=5)]
    assert found == [1, 2, 3, 0, 4]
