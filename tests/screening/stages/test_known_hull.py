"""The shipped hull as the reference: formation energies on its scale, what decomposes into what, what is said of it."""

import dataclasses
from pathlib import Path

import pytest
from ase.build import bulk

from asegen.hull.table import shipped_hull
from asegen.potentials.chgnet import ELEMENT_ENERGIES, FORMATION_ENERGY_ERROR
from asegen.potentials.engine import MP2020, Engine
from asegen.screening import Options, screen
from asegen.screening.ledger import provenance
from asegen.screening.records import Candidate
from asegen.screening.stages.hull import Hull
from asegen.screening.stages.known_hull import (
    Fitted,
    KnownHull,
    aligned,
    fitted_references,
    knowledge,
    largest,
    without_candidate,
)
from asegen.screening.stages.phases import COMPETING, KNOWN, Phase
from asegen.screening.stages.sources import Elements
from asegen.screening.stages.verdicts import ABOVE, BELOW, LOWEST, NOT_LOWEST, WITHIN, lacking_lines, verdict

CHGNET = Engine("chgnet", "chgnet of the test", MP2020)
FITTED = Fitted(ELEMENT_ENERGIES, FORMATION_ENERGY_ERROR)
LI, P, S = 3, 15, 16


def total(formula: str, counts: dict[str, int], above: float) -> float:
    """eV/atom of a crystal so far above the hull, as the potential would say it."""
    from ase.data import atomic_numbers

    hull = shipped_hull().point({atomic_numbers[symbol]: n for symbol, n in counts.items()}).energy
    return hull + above + FITTED.of(counts)


def placed(tmp_path: Path, energies: list[tuple[str, dict[str, int], float]]) -> list[dict]:
    stage = Hull(CHGNET, (KnownHull(FITTED),), FITTED, True)
    candidates = [
        Candidate(k, "ok", {"formula": f, "energy": total(f, c, above), "energy_scale": MP2020}, None)
        for k, (f, c, above) in enumerate(energies, 1)
    ]
    systems = {frozenset(counts) for _, counts, _ in energies}
    found = KnownHull(FITTED).phases(systems, None, None)
    return [dict(outcome.found) for outcome in stage.work(candidates, (tmp_path, found.phases, found.missing))]


def test_candidates_and_known_phases_are_one_phase_diagram(tmp_path: Path) -> None:
    found = placed(
        tmp_path,
        [
            ("Li3PS4", {"Li": 3, "P": 1, "S": 4}, 0.01),
            ("LiPS", {"Li": 1, "P": 1, "S": 1}, 0.3),
            ("Li2S", {"Li": 2, "S": 1}, -0.2),
            ("Li", {"Li": 1}, -0.1),
        ],
    )
    assert [row["known_composition"] for row in found] == ["stable", None, "stable", "stable"]
    assert found[0]["e_known"] == pytest.approx(0.01, abs=1e-6) and found[1]["e_known"] == pytest.approx(0.3, abs=1e-6)
    assert found[0]["e_hull"] > found[0]["e_known"]  # the Li2S that nobody knew draws it down
    assert found[2]["hull_verdict"] == BELOW and found[1]["hull_verdict"] == ABOVE
    assert found[2]["e_hull"] == 0 and found[2]["e_known"] == pytest.approx(-0.2, abs=1e-6)
    assert "Li2S (c000003)" in found[1]["decomposes_into"] and found[2]["decomposes_into"] == ""
    # an element is the reference: what the potential puts below it is the potential's error
    assert (found[3]["e_hull"], found[3]["e_known"], found[3]["hull_verdict"]) == (0.0, 0.0, WITHIN)
    assert {row["e_hull_error"] for row in found} == {FORMATION_ENERGY_ERROR}


def test_what_is_lowest_of_its_candidates_alone_is_not_on_the_hull(tmp_path: Path) -> None:
    """Li5S2 was "on the hull" where nothing was known but the elements."""
    (found,) = placed(tmp_path, [("Li5S2", {"Li": 5, "S": 2}, 0.2)])
    assert found["hull_verdict"] == ABOVE and "Li2S" in found["decomposes_into"]
    assert found["formation_energy"] < 0


def test_verdicts() -> None:
    assert [verdict(*three) for three in [
        (0.0, 0.0, 0.02), (0.04, 0.04, 0.02), (0.041, 0.041, 0.02), (0.0, -0.05, 0.02), (0.1, -0.05, 0.02),
        (0.0, -1.0, None), (0.1, -0.5, None), (None, None, 0.02),
    ]] == [WITHIN, WITHIN, ABOVE, BELOW, ABOVE, LOWEST, NOT_LOWEST, None]  # fmt: skip


def test_what_the_table_knows() -> None:
    assert [knowledge(formula) for formula in ("NaCl", "Li3PS4", "S4P1Li3", "Na", "Li5S2")] == [
        "stable", "stable", "stable", "stable", None,
    ]  # fmt: skip
    systems = [frozenset("Li S".split()), frozenset("Li P S".split()), frozenset("P")]
    assert largest(systems) == [frozenset("Li P S".split())]
    lacking = without_candidate(systems, ["Li2S", "P2S5"])
    assert list(lacking) == ["Li-P-S"] and {"Li3PS4", "Li3P"} <= set(lacking["Li-P-S"])
    assert not {"Li2S", "P2S5", "Li"} & set(lacking["Li-P-S"])
    (line,) = lacking_lines(lacking, most=2)
    assert line.startswith("known to be stable in Li-P-S, without a candidate: ") and " more" in line


def test_phases_of_a_user_keep_their_formation_energies() -> None:
    mine = [
        Phase("a", "Na", -1.2, MP2020), Phase("b", "Cl", -2.0, MP2020), Phase("c", "NaCl", -3.6, MP2020),
        Phase("d", "KCl", -3.5, MP2020), Phase("e", "NaCl", -9.0, "other"), Phase("f", "NaF", -4.0, MP2020, KNOWN),
    ]  # fmt: skip
    salt, potash, *others = sorted(aligned(mine, FITTED), key=lambda phase: "cdef".index(phase.id))
    assert salt.energy == pytest.approx(-3.6 + 1.6 + FITTED.of({"Na": 1, "Cl": 1})) and salt.kind == COMPETING
    assert potash == mine[3] and others == mine[4:]


def test_who_gets_the_hull() -> None:
    assert fitted_references(CHGNET) == FITTED
    assert fitted_references(dataclasses.replace(CHGNET, name="emt", energy_scale="EMT")) is None
    stage = Hull.of(Options("emt"))
    assert stage.fitted is None and any(isinstance(source, Elements) for source in stage.sources)
    assert Hull.of(Options("emt", reference="none"))._note() is None and "fitted to emt" in stage._note()


def test_chgnets_default_and_none(tmp_path: Path) -> None:
    pytest.importorskip("chgnet")
    default, none = Hull.of(Options()), Hull.of(Options(reference="none"))
    assert default.fitted == FITTED and default.settings()["hull"].startswith("mp, sha256 ")
    assert none.fitted is None and "hull" not in none.settings()


def test_without_fitted_energies_the_candidates_alone_are_spoken_of(tmp_path: Path) -> None:
    (found,) = screen(bulk("Cu"), tmp_path / "run", "emt", stages=["relax", "hull"], relaxer=None, jobs=1)
    assert found["hull_verdict"] == LOWEST and found["e_hull_error"] is None
    told = provenance(tmp_path / "run")
    assert "fitted to emt" in told["hull_note"] and told["hull_lacking"] == {}
