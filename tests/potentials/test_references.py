"""Formation energies: what was put in comes out again, +U told apart, shipped tables right on real crystals."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import Calculator, all_changes
from ase.formula import Formula

from asegen.errors import InputError
from asegen.potentials import references
from asegen.potentials.engine import MP2020, MP_ELEMENTS, Engine, find_engine
from asegen.potentials.minimise import minimise
from asegen.potentials.references import (
    ElementReferences,
    computed_references,
    fit_references,
    reference_crystals,
    references_of,
)

WORTH = {"Na": -1.3, "Cl": -1.8, "O": -4.9, "Fe": -8.4, "Al": -3.7, "Cu": -4.1}
SHIFT = 2.2
"""eV; what +U adds to an iron atom beside oxygen."""


class Sums(Calculator):
    """Energies made of `WORTH`, of formation energies as of `formation`, and of a shift where iron meets oxygen."""

    implemented_properties = ["energy"]  # noqa: RUF012

    def calculate(
        self, atoms: Atoms | None = None, properties: Sequence[str] = ("energy",), changes: Sequence[str] = all_changes
    ) -> None:
        super().calculate(atoms, list(properties), list(changes))
        assert atoms is not None
        if "Cu" in atoms.symbols and "Al" in atoms.symbols:
            raise ValueError("not this one")
        energy = sum(WORTH[s] for s in atoms.symbols) + len(atoms) * formation(atoms)
        shift = SHIFT * list(atoms.symbols).count("Fe") if "O" in atoms.symbols else 0.0
        self.results = {"energy": energy + shift}


def formation(atoms: Atoms) -> float:
    return -0.1 * len(set(atoms.symbols)) - 0.01 * len(atoms)


def crystal(formula: str) -> Atoms:
    symbols = list(Formula(formula))
    return Atoms(symbols, positions=np.arange(3 * len(symbols)).reshape(-1, 3), cell=[9, 9, 9], pbc=True)


FORMULAS = [
    *("NaCl", "Na2O", "NaAl", "NaCu", "AlCl3", "CuCl", "Al2O3", "CuO", "Cu2O", "NaAlO2", "NaClO4", "NaFe", "FeAl"),
    *("FeCl2", "FeCl3", "FeCu", "FeO", "Fe2O3", "NaFeO2", "AlFeO3", "CuFeO2", "FeOCl", "CuAl", "Na3AlCl6"),
]


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Engine:
    monkeypatch.setattr(Engine, "calculator", lambda self, directory=None: Sums())
    return Engine("sums", "sums, version 1", "sums", frozenset(WORTH))


def test_what_was_put_in_comes_out_again_with_u_told_apart(engine: Engine) -> None:
    crystals = [crystal(formula) for formula in FORMULAS]
    known = [formation(atoms) for atoms in crystals]
    known[3] += 5.0  # nonsense that least squares would follow
    found = fit_references(engine, crystals, known)
    assert found.scale == MP2020
    assert dict(found.energies) == pytest.approx(WORTH, abs=1e-3)
    assert found.with_u == pytest.approx({"Fe": WORTH["Fe"] + SHIFT}, abs=1e-3)
    rust = crystal("Fe3O4")
    energy = Sums().get_potential_energy(rust)
    assert found.formation_energy(energy, rust.numbers) == pytest.approx(formation(rust), abs=1e-3)


def test_elements_without_a_reference_are_named() -> None:
    found = ElementReferences({"Na": -1.0, "Cl": -2.0}, 0.02)
    assert found.formation_energy(-4.0, [11, 17]) == pytest.approx(-0.5)
    assert str(found.refusal(crystal("NaBrXe"))) == "unknown element: no reference energy of Br, Xe"
    assert found.refusal(crystal("NaCl")) is None
    with pytest.raises(InputError, match="no reference energy of Br"):
        found.formation_energy(-4.0, [11, 35])


def test_crystals_of_one_element_are_measured_against_its_ground_state() -> None:
    found = ElementReferences({"Na": -1.0, "Cl": -2.0}, 0.02, crystals={"Na": -1.25})
    assert found.formation_energy(-2.4, [11, 11]) == pytest.approx(0.05)
    assert found.formation_energy(-4.2, [17, 17]) == pytest.approx(-0.1)
    assert found.formation_energy(-4.0, [11, 17]) == pytest.approx(-0.5)


def test_too_few_crystals(engine: Engine) -> None:
    crystals = [crystal(formula) for formula in FORMULAS[:4]]
    with pytest.raises(InputError, match="too few"):
        fit_references(engine, crystals, [0.0] * 4)
    with pytest.raises(InputError, match="no finite energies"):
        fit_references(engine, [crystal("CuAl")], [0.0])


def test_they_are_kept_by_the_model(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert references_of(engine, tmp_path) is None
    crystals = [crystal(formula) for formula in FORMULAS]
    monkeypatch.setattr(references, "reference_crystals", lambda: (crystals, [formation(a) for a in crystals]))
    made = computed_references(engine, tmp_path / "new")
    assert references_of(engine, tmp_path / "new") == made
    assert references_of(Engine("sums", "sums, version 2", "sums"), tmp_path / "new") is None
    (file,) = (tmp_path / "new").glob("*.json")
    file.write_text(file.read_text()[:-9])
    assert references_of(engine, tmp_path / "new") is None
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="can't keep references"):
        computed_references(engine, tmp_path / "file")


def test_the_crystals_that_come_along_cover_the_elements() -> None:
    crystals, energies = reference_crystals()
    assert len(crystals) == len(energies) == 752 and max(len(atoms) for atoms in crystals) <= 12
    symbols = set().union(*(atoms.symbols for atoms in crystals))
    assert symbols == MP_ELEMENTS - {"He", "Ne", "Ar", "Xe"}
    assert np.isfinite(energies).all()


def test_shipped_references_give_the_known_formation_energies() -> None:
    """A tenth of the crystals that come along; the tables were fitted to them and others."""
    pytest.importorskip("chgnet")
    engine = find_engine("chgnet")
    found = references_of(engine)
    assert found is not None and found.error == 0.021 and not found.with_u
    assert _mean_error(engine, found) < 0.04
    silicon = minimise(bulk("Si"), engine.calculator(), 0.02, 50)
    assert found.formation_energy(2 * silicon.enthalpy, [14, 14]) == pytest.approx(0.0, abs=1e-3)


@pytest.mark.parametrize("name", ["7net-0", "7net-mf-0", "7net-l3i5"])
def test_shipped_references_of_sevennet(name: str) -> None:
    pytest.importorskip("sevenn")
    engine = find_engine(name)
    found = references_of(engine)
    assert found is not None and set(found.with_u) == references.U_METALS
    assert _mean_error(engine, found) < 0.04


def _mean_error(engine: Engine, found: ElementReferences) -> float:
    crystals, known = reference_crystals()
    calculator, errors = engine.calculator(), []
    for atoms, energy in list(zip(crystals, known, strict=True))[::25]:
        total = calculator.get_potential_energy(atoms)
        errors.append(abs(found.formation_energy(total, atoms.numbers) - energy))
    return float(np.mean(errors))
