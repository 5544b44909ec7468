"""The order of candidates: energies, and what generators expect where energies differ by less than their error."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from ase import Atoms
from ase.build import bulk

from asegen.parallel.workforce import Workforce
from asegen.screening import screen
from asegen.screening.ranking import in_order


def row(formula: str, e_hull: float | None, log_prior: float | None = None, error: float | None = 0.02, **more) -> dict:
    known = {"e_hull": e_hull, "e_known": e_hull, "e_hull_error": error, "log_prior": log_prior}
    return {"formula": formula, **known, **more}


def test_energies_decide_beyond_the_error_and_the_prior_within_it() -> None:
    rows = [row("A", 0.05, -0.1), row("A", 0.0, -3.0), row("A", 0.015, -1.0), row("A", 0.021, -0.5), row("A", 0.3, 0.0)]
    # 0.0 and 0.015 are tied, 0.021 begins another group with 0.05 beyond it
    assert in_order(rows) == [2, 1, 3, 0, 4]


def test_the_order_of_different_compositions_is_that_of_energies() -> None:
    rows = [row("A", 0.0, -3.0), row("B", 0.01, 0.0), row("A", 0.015, -1.0)]
    assert in_order(rows) == [2, 1, 0]  # the tied two of A exchange places, around B


def test_without_a_prior_or_an_error_energies_alone_decide() -> None:
    assert in_order([row("A", 0.01, -1.0), row("A", 0.0), row("A", 0.005, -2.0)]) == [1, 0, 2]
    assert in_order([row("A", 0.01, -1.0, None), row("A", 0.0, -2.0, None)]) == [1, 0]
    assert in_order([row("A", None, energy=-1.0), row("A", None, energy=-2.0), row("A", 0.5)]) == [2, 1, 0]


def test_who_seems_to_beat_phases_that_are_lacking_does_not_come_first() -> None:
    unknown = {**row("XeF2", 0.0), "e_known": -0.8, "hull_verdict": "too few known phases"}
    assert in_order([unknown, {**row("B", 0.0), "e_known": -0.01}, row("C", 0.01)]) == [1, 0, 2]


def test_below_the_hull_the_lower_comes_first() -> None:
    below = [{**row("A", 0.0), "e_known": -0.05}, {**row("B", -0.001), "e_known": -0.2}, row("C", 0.0)]
    assert in_order(below) == [1, 0, 2]


def test_one_list_of_a_composition_over_all_sizes_of_cells_without_copies(tmp_path) -> None:
    """A supercell, told as an input of its own, is the same crystal; polymorphs of other cell sizes share the list."""
    cell = bulk("Cu", "fcc", a=3.7)
    double = cell.repeat((2, 1, 1))
    double.rattle(0.02, seed=1)
    body = bulk("Cu", "bcc", a=2.95, cubic=True)  # two atoms
    body.positions[1, 2] += 0.05
    alloy = Atoms("CuAu", [[0, 0, 0], [0.5, 0.5, 0.5]], cell=[2.8, 2.8, 3.6], pbc=True)
    alloy.positions = alloy.cell.cartesian_positions(alloy.positions)
    asked = {"stages": ["dedup", "symmetrise", "relax", "compare", "hull"], "relaxer": None}
    asked["workforce"] = Workforce(ThreadPoolExecutor(1), lambda: 1)
    found = {r.id: r for r in screen([cell, double, body, alloy], tmp_path / "run", "emt", **asked)}
    copper = [found[f"c00000{k}"] for k in (1, 2, 3)]
    assert sorted(one.status for one in copper[:2]) == ["duplicate", "ok"]
    ranked = sorted((one for one in copper if one.status == "ok"), key=lambda one: one["energy"])
    assert [one["rank_in_composition"] for one in ranked] == list(range(1, len(ranked) + 1))
    assert found["c000004"]["rank_in_composition"] == 1 and found["c000004"]["formula"] in ("CuAu", "AuCu")
    assert copper[0]["energy"] == pytest.approx(ranked[0]["energy"]) or copper[1]["energy"] == pytest.approx(
        ranked[0]["energy"]
    )
