"""The shipped hull as the reference: formation energies on its scale, what decomposes into what, what is said of it."""

import json
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from ase.build import bulk
from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram
from pymatgen.core import Composition

from asegen.errors import InputError
from asegen.hull.table import shipped_hull
from asegen.parallel.workforce import Workforce
from asegen.potentials.chgnet import ELEMENT_ENERGIES, FORMATION_ENERGY_ERROR
from asegen.potentials.engine import MP2020, Engine
from asegen.potentials.references import ElementReferences
from asegen.screening import Options, screen
from asegen.screening.ledger import provenance
from asegen.screening.records import Candidate
from asegen.screening.stages.hull import Against, Hull
from asegen.screening.stages.known_hull import (
    FORMATION_SCALE,
    KnownHull,
    knowledge,
    largest,
    on_the_hulls_scale,
    without_candidate,
)
from asegen.screening.stages.phases import COMPETING, KNOWN, Phase
from asegen.screening.stages.sources import Elements, Found
from asegen.screening.stages.verdicts import (
    ABOVE,
    BELOW,
    KNOWN_ABOVE,
    KNOWN_COMPOSITION,
    KNOWN_CRYSTAL,
    LOWEST,
    NEAR,
    NOT_LOWEST,
    UNKNOWN,
    WITHIN,
    lacking_lines,
    verdict,
)

sys.path.insert(0, str(Path(__file__).parents[1]))  # which workers get, too

CHGNET = Engine("chgnet", "chgnet of the test, sha256 d14ab7c0f093", MP2020)
FITTED = ElementReferences(ELEMENT_ENERGIES, FORMATION_ENERGY_ERROR)
WITH_U = ElementReferences({"Fe": -8.0, "O": -5.0, "Na": -1.0}, 0.018, with_u={"Fe": -6.0})
OTHER = Engine("other", "another potential", "other totals")


def total(counts: dict[str, int], above: float, references: ElementReferences) -> float:
    """eV/atom of a crystal so far above the hull, as the potential would say it."""
    from ase.data import atomic_numbers

    hull = shipped_hull().point({atomic_numbers[symbol]: n for symbol, n in counts.items()}).energy
    return hull + above + references.per_atom(counts)


def placed(
    tmp_path: Path,
    energies: list[tuple[str, dict[str, int], float]],
    engine: Engine = CHGNET,
    references: ElementReferences = FITTED,
    given: Sequence[Phase] = (),
) -> list[dict]:
    stage = Hull(engine, (KnownHull(),), tmp_path, True)
    candidates = [
        Candidate(k, "ok", {"formula": f, "energy": total(c, above, references)}, None)
        for k, (f, c, above) in enumerate(energies, 1)
    ]
    systems = {frozenset(counts) for _, counts, _ in energies}
    found = on_the_hulls_scale(KnownHull().phases(systems, None, None), references, engine.energy_scale)
    against = Against([*found.phases, *given], found.missing, references)
    return [dict(outcome.found) for outcome in stage.work(candidates, (tmp_path, against))]


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
    assert found[0]["hull_verdict"] == KNOWN_COMPOSITION
    assert found[2]["e_hull"] == 0 and found[2]["e_known"] == pytest.approx(-0.2, abs=1e-6)
    assert "Li2S (c000003)" in found[1]["decomposes_into"] and found[2]["decomposes_into"] == ""
    # an element is the reference: what the potential puts below it is the potential's error
    assert (found[3]["e_hull"], found[3]["e_known"], found[3]["hull_verdict"]) == (0.0, 0.0, KNOWN_COMPOSITION)
    assert {row["e_hull_error"] for row in found} == {FORMATION_ENERGY_ERROR}


def test_what_is_lowest_of_its_candidates_alone_is_not_on_the_hull(tmp_path: Path) -> None:
    """Li5S2 was "on the hull" where nothing was known but the elements."""
    (found,) = placed(tmp_path, [("Li5S2", {"Li": 5, "S": 2}, 0.2)])
    assert found["hull_verdict"] == ABOVE and "Li2S" in found["decomposes_into"]
    assert found["formation_energy"] < 0


def test_the_lowest_of_a_known_composition_is_told_from_others_above_the_hull(tmp_path: Path) -> None:
    li2s, wrong = {"Li": 2, "S": 1}, {"Li": 5, "S": 2}
    found = placed(tmp_path, [("Li2S", li2s, 0.3), ("Li2S", li2s, 0.1), ("Li2S", li2s, 0.2), ("Li5S2", wrong, 0.2)])
    assert [row["hull_verdict"] for row in found] == [ABOVE, KNOWN_ABOVE, ABOVE, ABOVE]


def test_an_element_above_its_ground_state_is_no_doubtful_compound(tmp_path: Path) -> None:
    """The ground state was relaxed by the same potential: fcc silicon lies above it, whatever else is a candidate."""
    references = ElementReferences({"Si": -5.2}, 0.02, crystals={"Si": -5.3})
    (found,) = placed(tmp_path, [("Si", {"Si": 1}, 0.4)], references=references)
    assert found["e_hull"] == pytest.approx(0.4) and found["hull_verdict"] == ABOVE
    (found,) = placed(tmp_path, [("Si", {"Si": 1}, 0.4)], references=ElementReferences({"Si": -5.2}, 0.02))
    assert found["hull_verdict"] == KNOWN_ABOVE


def test_phases_that_a_user_adds_fill_the_gaps_of_the_hull(tmp_path: Path) -> None:
    xef2, far = [("XeF2", {"Xe": 1, "F": 2}, -0.5)], {"XeF4": -0.9, "XeF6": -0.9}
    assert [row["hull_verdict"] for row in placed(tmp_path, xef2)] == [UNKNOWN]
    given = [Phase(formula, formula, energy, FORMATION_SCALE) for formula, energy in far.items()]
    (found,) = placed(tmp_path, xef2, given=given)
    assert found["hull_verdict"] == ABOVE and "XeF4" in found["decomposes_into"]
    (found,) = placed(tmp_path, [("XeF2", {"Xe": 1, "F": 2}, -0.9)], given=given)
    assert found["hull_verdict"] == BELOW
    elsewhere = [Phase("XeO3", "XeO3", -0.9, FORMATION_SCALE), Phase("Xe", "Xe", -0.1, FORMATION_SCALE)]
    assert placed(tmp_path, xef2, given=elsewhere)[0]["hull_verdict"] == UNKNOWN


def test_verdicts() -> None:
    assert [verdict(*three) for three in [
        (0.0, 0.0, 0.02), (0.04, 0.04, 0.02), (0.041, 0.041, 0.02), (0.0, -0.05, 0.02), (0.1, -0.05, 0.02),
        (0.0, -1.0, None), (0.1, -0.5, None), (None, None, 0.02),
    ]] == [WITHIN, WITHIN, ABOVE, BELOW, ABOVE, LOWEST, NOT_LOWEST, None]  # fmt: skip
    assert verdict(0.03, 0.03, 0.02, known_composition="stable") == KNOWN_COMPOSITION
    assert verdict(0.03, 0.03, 0.02, known_composition="unstable") == WITHIN
    assert verdict(0.03, 0.03, 0.02, "mp-22862", "stable") == KNOWN_CRYSTAL
    assert verdict(0.05, 0.05, 0.02, "mp-22862", "stable") == ABOVE
    assert verdict(0.03, 0.03, 0.02, None, "stable", known_crystal="NaCl-225") == KNOWN_CRYSTAL
    assert verdict(0.0, -0.8, 0.02, None, "stable", known_crystal="F2Xe-139", has_gap=True) == UNKNOWN
    assert verdict(0.05, 0.05, 0.02, None, "stable", unmet=True) == KNOWN_ABOVE
    assert verdict(0.03, 0.03, 0.02, None, "stable", unmet=True) == KNOWN_COMPOSITION
    assert verdict(0.0, -0.05, 0.02, known_composition="stable") == BELOW
    assert verdict(0.0, -2.0, 0.02, has_gap=True) == verdict(0.03, 0.03, 0.02, has_gap=True) == UNKNOWN
    assert verdict(0.05, 0.05, 0.02, has_gap=True) == ABOVE  # a hull that is too high: it lies even higher above
    assert verdict(0.0, 0.0, 0.02, "mine", has_gap=True) == KNOWN_CRYSTAL


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


def test_with_u_only_where_there_is_oxygen(tmp_path: Path) -> None:
    """A potential of uncorrected energies: one total for iron in an oxide, another in an alloy."""
    found = placed(tmp_path, [("Fe2O3", {"Fe": 2, "O": 3}, 0.05), ("Fe", {"Fe": 1}, 0.1)], OTHER, WITH_U)
    assert [row["e_known"] for row in found] == pytest.approx([0.05, 0.1], abs=1e-6)
    assert {row["e_hull_error"] for row in found} == {0.018}


def test_elements_without_a_reference_cost_their_systems_alone(tmp_path: Path) -> None:
    stage = Hull(OTHER, (KnownHull(),), tmp_path, True)
    phases = KnownHull().phases([frozenset(["Na", "Cl"]), frozenset(["Na", "O"])], None, None)
    found = on_the_hulls_scale(phases, WITH_U, OTHER.energy_scale)
    candidates = [
        Candidate(1, "ok", {"formula": "NaCl", "energy": -3.0}, None),
        Candidate(2, "ok", {"formula": "Na2O", "energy": -4.0}, None),
    ]
    salt, oxide = stage.work(candidates, (tmp_path, Against(found.phases, found.missing, WITH_U)))
    assert salt.found["e_hull"] is None and "Cl has no fitted energy" in salt.found["e_hull_reason"]
    assert oxide.found["e_hull"] is not None


def test_phases_of_a_user_keep_their_formation_energies() -> None:
    mine = [
        Phase("a", "Na", -1.2, MP2020), Phase("b", "Cl", -2.0, MP2020), Phase("c", "NaCl", -3.6, MP2020),
        Phase("d", "KCl", -3.5, MP2020), Phase("e", "NaCl", -9.0, "elsewhere"),
        Phase("f", "NaF", -2.0, FORMATION_SCALE, KNOWN),
        Phase("g", "NaCl", -3.3, OTHER.energy_scale),
    ]  # fmt: skip
    chgnet = on_the_hulls_scale(Found(mine), FITTED, MP2020)
    salt, potash, *others = sorted(chgnet.phases, key=lambda phase: "cdefg".index(phase.id))
    assert salt.energy == pytest.approx(-2.0) and salt.kind == COMPETING and salt.energy_scale == FORMATION_SCALE
    assert potash.energy == pytest.approx(-3.5 - FITTED.per_atom({"K": 1, "Cl": 1}))
    assert others == mine[4:] and not chgnet.problems  # of foreign scales: their systems are refused
    # by another potential, what is on its scale has its references, and what has no elements on MP2020 has none
    other = on_the_hulls_scale(Found(mine), FITTED, OTHER.energy_scale)
    energies = {phase.id: phase.energy for phase in other.phases}
    assert energies["c"] == pytest.approx(-2.0) and "d" not in energies
    assert energies["g"] == pytest.approx(-3.3 - FITTED.per_atom({"Na": 1, "Cl": 1}))
    assert other.problems == ["d: left out, for no energy of K on the scale MP2020 is given"]


def test_distances_are_those_of_pymatgens_phase_diagram(tmp_path: Path) -> None:
    """In formation energies nothing changes: the same candidates and phases as totals."""
    formulas = {"Li3PS4": {"Li": 3, "P": 1, "S": 4}, "LiPS": {"Li": 1, "P": 1, "S": 1}, "Li2S": {"Li": 2, "S": 1}}
    given = [(*pair, above) for pair, above in zip(formulas.items(), (0.02, 0.3, -0.1), strict=True)]
    known = on_the_hulls_scale(KnownHull().phases([frozenset("Li P S".split())], None, None), FITTED, MP2020).phases
    entries = [
        PDEntry(c := Composition(phase.formula), c.num_atoms * (phase.energy + FITTED.per_atom(c.get_el_amt_dict())))
        for phase in known
    ]
    own = [PDEntry(Composition(f), sum(c.values()) * total(c, above, FITTED)) for f, c, above in given]
    diagram = PhaseDiagram([*entries, *own])
    expected = [diagram.get_e_above_hull(entry) for entry in own]
    assert [row["e_hull"] for row in placed(tmp_path, given)] == pytest.approx(expected, abs=1e-6)


def test_who_gets_the_hull(tmp_path: Path) -> None:
    stage = Hull.of(Options("emt"))
    assert any(isinstance(source, Elements) for source in stage.sources)
    assert Hull.of(Options("emt", reference="none"))._note() is None and "fitted to emt" in stage._note()
    fitting = Hull.of(Options("emt", fit_references=True, cache=tmp_path))
    assert any(isinstance(source, KnownHull) for source in fitting.sources) and fitting._note() is None
    with pytest.raises(InputError, match="fit_references"):
        Options(fit_references=True, reference="none")


def test_chgnets_default_and_none() -> None:
    pytest.importorskip("chgnet")
    default, none = Hull.of(Options()), Hull.of(Options(reference="none"))
    assert default.settings()["hull"].startswith("mp, sha256 ") and "hull" not in none.settings()


def test_references_are_fitted_where_that_is_asked(tmp_path: Path) -> None:
    """By the workers, once, and kept; candidates then stand above the Materials Project's hull."""
    kept, salt = tmp_path / "cache", bulk("LiCl", "rocksalt", 5.1)  # no crystal of it is inside the package
    asked = {"stages": ["relax", "hull"], "fit_references": True, "cache": kept, "relaxer": None}
    asked["workforce"] = Workforce(ThreadPoolExecutor(1), lambda: 1)
    (found,) = screen(salt, tmp_path / "run", "atomic:Atomic", **asked)
    (file,) = kept.glob("*.json")
    references = ElementReferences(**json.loads(file.read_text())["references"])
    energy = references.formation_energy(-0.05 * (3 + 17), salt.numbers)
    assert found["e_known"] == pytest.approx(energy - shipped_hull().point({3: 1, 17: 1}).energy, abs=1e-6)
    assert found["e_hull_error"] == references.error and found["hull_verdict"] in (*NEAR, ABOVE, BELOW)
    written = file.stat().st_mtime_ns
    (again,) = screen(salt, tmp_path / "other", "atomic:Atomic", **asked)
    assert again["e_hull"] == found["e_hull"] and file.stat().st_mtime_ns == written


def test_a_potential_of_few_elements_is_refused_before_anything_is_relaxed(tmp_path: Path) -> None:
    asked = {"stages": ["relax", "hull"], "fit_references": True, "cache": tmp_path, "relaxer": None, "jobs": 1}
    with pytest.raises(InputError, match="emt: of the reference crystals 12 are of its 11 elements alone"):
        screen(bulk("Cu"), tmp_path / "run", "emt", **asked)


def test_without_fitted_energies_the_candidates_alone_are_spoken_of(tmp_path: Path) -> None:
    (found,) = screen(
        bulk("Cu"),
        tmp_path / "run",
        "emt",
        stages=["relax", "hull"],
        relaxer=None,
        workforce=Workforce(ThreadPoolExecutor(1), lambda: 1),
    )
    assert found["hull_verdict"] == LOWEST and found["e_hull_error"] is None
    told = provenance(tmp_path / "run")
    assert "fitted to emt" in told["hull_note"] and told["hull_lacking"] == {} and not told["hull_can_fit"]
    assert Hull.of(Options("atomic:Atomic"))._can_fit() and not Hull.of(Options("emt"))._can_fit()
