"""Known crystals of a composition, by the candidates' own potential: energies above the hull without its error."""

from pathlib import Path

import pytest
from ase import Atoms
from ase.build import bulk
from ase.data import atomic_numbers
from ase.formula import Formula

from asegen.errors import AsegenError
from asegen.hull.table import shipped_hull
from asegen.potentials.engine import MP2020, Engine
from asegen.potentials.references import ElementReferences
from asegen.prototypes.known_forms import KnownForm, corrections
from asegen.screening import screen
from asegen.screening.ledger import provenance
from asegen.screening.records import Candidate
from asegen.screening.stages import known_forms as module
from asegen.screening.stages.hull import Against, Hull
from asegen.screening.stages.known_forms import known_forms
from asegen.screening.stages.known_hull import KnownHull
from asegen.screening.stages.verdicts import ABOVE, KNOWN_ABOVE, KNOWN_COMPOSITION

REFERENCES = ElementReferences({"Ga": -3.0, "As": -4.6, "Na": -1.3, "Cl": -1.8}, 0.02)
ENGINE = Engine("chgnet", "chgnet of the test, sha256 d14ab7c0f093", MP2020)


def hull(formula: str) -> float:
    return shipped_hull().point({atomic_numbers[s]: n for s, n in Formula(formula).count().items()}).energy


def form(formula: str, computed: float, above: float | None) -> KnownForm:
    """A known crystal so far above the hull by the potential's formation energy, and in truth."""
    energy = hull(formula) + computed + REFERENCES.per_atom(Formula(formula).count())
    return KnownForm(f"{formula}-1", energy, hull(formula), above)


def test_the_lowest_form_lies_on_the_hull() -> None:
    known = {"GaAs": form("GaAs", 0.12, None), "NaCl": form("NaCl", 0.3, 0.04)}
    found = corrections(known, {}, REFERENCES)
    assert found == pytest.approx({"GaAs": -0.12, "NaCl": -0.26})
    lower = {name: one.energy - 0.05 for name, one in known.items()}
    found = corrections(known, lower, REFERENCES)  # where it isn't known which form is stable, it's the candidate
    assert found == pytest.approx({"GaAs": -0.07, "NaCl": -0.26})
    assert corrections({"GaAs": form("GaAs", 0.2, None)}, {}, REFERENCES) == {}  # too far off to be the stable one


def test_candidates_are_placed_above_it(tmp_path: Path) -> None:
    known = {"GaAs": form("GaAs", 0.12, None)}
    energies = [known["GaAs"].energy, known["GaAs"].energy + 0.06]
    candidates = [Candidate(k, "ok", {"formula": "GaAs", "energy": e}, None) for k, e in enumerate(energies, 1)]
    phases = KnownHull().phases({frozenset({"Ga", "As"})}, None, None).phases
    stage = Hull(ENGINE, (KnownHull(),), tmp_path, True)
    found = [dict(one.found) for one in stage.work(candidates, (tmp_path, Against(phases, {}, REFERENCES, known)))]
    assert [row["e_hull"] for row in found] == pytest.approx([0.0, 0.06], abs=1e-6)
    assert [row["hull_verdict"] for row in found] == [KNOWN_COMPOSITION, ABOVE]
    assert {row["measured_against"] for row in found} == {"GaAs-1"}
    (without, _) = stage.work(candidates, (tmp_path, Against(phases, {}, REFERENCES)))
    assert without.found["e_hull"] == pytest.approx(0.12, abs=1e-6) and without.found["measured_against"] is None


def test_a_known_form_above_the_hull_leaves_a_doubt(tmp_path: Path) -> None:
    """Haematite by CHGNet: 0.09 eV/atom above the hull where the known form, the only one at hand, has 0.12."""
    references = ElementReferences({"Ga": -3.0, "As": -4.6}, 0.02)
    for above, said in ((0.116, KNOWN_ABOVE), (0.03, ABOVE)):
        known = {"GaAs": form("GaAs", 0.15, above)}
        energy = hull("GaAs") + references.per_atom({"Ga": 1, "As": 1}) + 0.15 + 0.09 - above
        candidates = [Candidate(k, "ok", {"formula": "GaAs", "energy": energy + 0.1 * k}, None) for k in (0, 1)]
        phases = KnownHull().phases({frozenset({"Ga", "As"})}, None, None).phases
        stage = Hull(ENGINE, (KnownHull(),), tmp_path, True)
        low, high = stage.work(candidates, (tmp_path, Against(phases, {}, references, known)))
        assert low.found["e_hull"] == pytest.approx(0.09) and low.found["hull_verdict"] == said
        assert high.found["hull_verdict"] == ABOVE


def test_a_known_crystal_above_the_one_that_the_potential_prefers_leaves_a_doubt(tmp_path: Path) -> None:
    """CHGNet prefers rock salt to the crystal of caesium chloride, by 0.06 eV/atom; which is stable isn't told."""
    known = {"GaAs": form("GaAs", 0.12, None)}
    phases = KnownHull().phases({frozenset({"Ga", "As"})}, None, None).phases
    stage = Hull(ENGINE, (KnownHull(),), tmp_path, True)
    for name, said in (("GaAs-221", KNOWN_ABOVE), (None, ABOVE)):
        found = {"formula": "GaAs", "energy": known["GaAs"].energy + 0.06, "known_crystal": name}
        (outcome,) = stage.work([Candidate(1, "ok", found, None)], (tmp_path, Against(phases, {}, REFERENCES, known)))
        assert outcome.found["e_hull"] == pytest.approx(0.06) and outcome.found["hull_verdict"] == said


def test_the_crystals_of_the_package_are_relaxed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def energy(name: str, atoms: Atoms, engine: Engine, cache: Path) -> tuple[float | None, str]:
        seen.append(name.partition("-")[0])
        return (-1.0 * len(atoms), "") if "Ti" not in atoms.symbols else (None, "not converged")

    monkeypatch.setattr(module, "kept_energy", energy)
    formulas = ["Ga2O3", "NaCl", "TiO2", "Si", "Na5Cl9", "MgO", "Fe2O3"]
    found = known_forms(formulas, ENGINE, tmp_path, lambda work, given: [work(one) for one in given])
    assert found.keys() == {"Ga2O3", "NaCl", "MgO", "Fe2O3"}  # no elements, no composition without a crystal
    assert (found["NaCl"].id, found["NaCl"].above) == ("NaCl-225", 0.0) and seen.count("NaCl") == 1
    assert found["Fe2O3"].above == 0.0  # haematite, which no source has an energy of, by textbooks
    assert found["Ga2O3"].hull == pytest.approx(hull("Ga2O3")) and found["Ga2O3"].above is None
    assert seen.count("Ga2O3") == 2 and seen.count("TiO2") == 1
    failed = AsegenError("no network")
    with pytest.raises(AsegenError, match="no network"):
        known_forms(["NaCl"], ENGINE, tmp_path, lambda work, given: [failed for _ in given])


def test_gallium_arsenide_is_on_the_hull(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CHGNet's formation energy of it is 0.12 eV/atom above the hull."""
    pytest.importorskip("chgnet")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    crystals = [bulk("GaAs", "zincblende", 5.75), bulk("GaAs", "rocksalt", 5.4)]
    stages = ["relax", "hull"]
    low, high = screen(crystals, tmp_path / "run", "chgnet", stages=stages, relaxer=None, jobs=1)
    assert low["e_hull"] == pytest.approx(0.0, abs=0.02) and low["hull_verdict"] == KNOWN_COMPOSITION
    assert not {"hull_forms", "hull_formulas"} & provenance(tmp_path / "run").keys()  # what only programs need
    assert low["measured_against"] == "GaAs-186" and high["e_hull"] > 0.1  # the energy of wurtzite is known, 0.015
