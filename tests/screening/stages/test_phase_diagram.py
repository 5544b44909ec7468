"""Energies above the hull: scipy's hull and closed forms as oracles, scales kept apart, gaps told."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial import ConvexHull

from asegen.errors import Reason
from asegen.screening.stages.hull_plots import read_plots, write_plots
from asegen.screening.stages.phase_diagram import place
from asegen.screening.stages.phases import CANDIDATE, ELEMENT, Phase


def element(symbol: str, energy: float, scale: str = "x") -> Phase:
    return Phase(f"{symbol} (element)", symbol, energy, scale, ELEMENT)


def candidate(id: str, formula: str, energy: float, scale: str = "x", shapes: bool = True) -> Phase:
    return Phase(id, formula, energy, scale, CANDIDATE, shapes)


SALT = [element("Na", -1.3), element("Cl", -1.9)]


def test_polymorphs_by_hand() -> None:
    rock, blende = candidate("1", "NaCl", -3.4), candidate("2", "Na4Cl4", -3.32)
    rich = candidate("3", "Na3Cl", -2.0)
    (a, b, c), (plot,) = place([rock, blende, rich], SALT)
    assert a.e_hull == 0 and b.e_hull == pytest.approx(0.08)
    assert a.formation_energy == pytest.approx(-3.4 + 1.6) and a.e_known == pytest.approx(-1.8)
    # Na3Cl lies between Na and NaCl, half of its atoms in each
    assert c.e_hull == pytest.approx(-2.0 - (-1.3 - 3.4) / 2)
    assert c.decomposes_into in ("0.50 NaCl (1) + 0.50 Na", "0.50 Na + 0.50 NaCl (1)") and a.decomposes_into == ""
    assert plot.elements == ("Cl", "Na") and {phase.id for phase in plot.phases} == {
        "1", "2", "3", "Na (element)", "Cl (element)",
    }  # fmt: skip
    joined = [{plot.phases[i].formula, plot.phases[j].formula} for i, j in plot.tie_lines]
    assert len(joined) == 2 and all("NaCl" in pair for pair in joined)


def test_below_everything_known() -> None:
    known = [*SALT, Phase("mp-1", "NaCl", -3.3, "x")]
    ((found,), _) = place([candidate("1", "NaCl", -3.4)], known)
    assert found.e_hull == 0 and found.e_known == pytest.approx(-0.1)


def test_what_is_not_trusted_shapes_no_hull() -> None:
    (good, wild), (plot,) = place([candidate("1", "NaCl", -3.4), candidate("2", "NaCl", -9.0, shapes=False)], SALT)
    assert good.e_hull == 0 and wild.e_hull == pytest.approx(-5.6)
    assert {"1", "2"} <= {phase.id for phase in plot.phases}


def test_a_plot_overrun_by_the_unconverged() -> None:
    wild = [candidate(str(k), "NaCl", -9.0 - k, shapes=False) for k in range(500)]
    _, (plot,) = place([candidate("good", "NaCl", -3.4), *wild], SALT)
    assert len(plot.phases) == 400 and all(i < 400 > j for i, j in plot.tie_lines)


def test_gaps_and_mixed_scales_stop_nobody_else() -> None:
    found, plots = place(
        [
            candidate("1", "NaCl", -3.4),
            candidate("2", "Na2O", -4.0),
            candidate("3", "NaCl", -6.7, "DFT"),
            candidate("4", "La", -5.0),
        ],
        [*SALT, Phase("foreign", "KCl", -3.0, "other")],
        {"O": "O: unconverged"},
    )
    assert [placement.e_hull for placement in found] == [None] * 4
    assert Reason("mixed energy scales", "DFT, x") == found[0].reason == found[2].reason
    assert found[1].reason == Reason("missing reference", "O: unconverged")
    assert found[3].reason == Reason("missing reference", "no reference phase of La")
    assert plots == []
    (alone,), _ = place([candidate("1", "NaCl", -3.4)], [*SALT, Phase("foreign", "KCl", -3.0, "other")])
    assert alone.e_hull == 0  # what isn't in its system doesn't matter


def test_no_energy_is_corrected() -> None:
    """Oxides would be, by pymatgen's MP2020 scheme, which CHGNet's energies already contain."""
    ((found,), _) = place([candidate("1", "Li2O", -4.7)], [element("Li", -1.9), element("O", -4.9)])
    assert found.formation_energy == pytest.approx(-4.7 + (2 * 1.9 + 4.9) / 3, abs=1e-12)


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(0, 4), st.floats(-3, 0.5)), max_size=12),
    st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(1, 4), st.floats(-3, 0.5)),
)
def test_against_scipys_hull(others: list[tuple], last: tuple) -> None:
    symbols = ("Al", "N", "Zn")
    others = [row for row in others if sum(row[:3])]
    phases = [element(symbol, -1.0) for symbol in symbols]
    phases += [
        Phase(str(k), "".join(f"{s}{n}" for s, n in zip(symbols, row[:3], strict=True) if n), row[3] - 1.0, "x")
        for k, row in enumerate(others)
    ]
    formula = "".join(f"{s}{n}" for s, n in zip(symbols, last[:3], strict=True))
    ((found,), _) = place([candidate("last", formula, last[3] - 1.0)], phases)
    rows = [(1, 0, 0, 0.0), (0, 1, 0, 0.0), (0, 0, 1, 0.0), *others, last]
    points = np.array([(r[0] / sum(r[:3]), r[1] / sum(r[:3]), r[3]) for r in rows])
    points = np.vstack([points, [1 / 3, 1 / 3, 10.0]])  # a lid, so that the lower hull is never degenerate
    lower = [e for e in ConvexHull(points).equations if e[2] < -1e-9]
    floor = max(-(e[0] * points[-2, 0] + e[1] * points[-2, 1] + e[3]) / e[2] for e in lower)
    assert found.e_hull == pytest.approx(points[-2, 2] - floor, abs=1e-7)


def test_plots_survive_the_disk(tmp_path: Path) -> None:
    _, plots = place([candidate("1", "NaCl", -3.4)], SALT)
    write_plots(tmp_path / "hulls.json", plots)
    assert read_plots(tmp_path / "hulls.json") == plots == pickle.loads(pickle.dumps(plots))
    assert json.loads((tmp_path / "hulls.json").read_text())[0]["elements"] == ["Cl", "Na"]


def test_five_elements_and_thousands_of_candidates() -> None:
    elements = [element(symbol, -1.0) for symbol in ("Ba", "Fe", "O", "Sr", "Ti")]
    many = [candidate(str(k), f"BaFe{k % 7 + 1}O3SrTi", -2.0 + 1e-4 * k) for k in range(2000)]
    found, (plot,) = place(many, elements)
    assert min(placement.e_hull for placement in found) == 0
    assert len(plot.phases) <= 400 and plot.tie_lines == ()
