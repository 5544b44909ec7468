"""Calculators by name: what they claim, what they refuse, and that they give what their libraries give."""

import pickle
import subprocess
import sys
from inspect import signature
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.fd import calculate_numerical_forces, calculate_numerical_stress
from ase.units import GPa

from asegen.errors import AsegenError, InputError, Reason
from asegen.potentials import chgnet
from asegen.potentials.engine import MP2020, find_engine
from asegen.potentials.registry import POTENTIALS, module_of


def rattled_salt() -> Atoms:
    atoms = bulk("NaCl", "rocksalt", a=5.5)
    atoms.rattle(0.05, seed=1)
    atoms.set_cell(atoms.cell + [[0.1, 0.05, 0.02], [0, 0, 0], [0, 0, 0]])
    return atoms


def test_at_a_pressure_it_is_another_engine_whose_energies_are_enthalpies() -> None:
    engine = find_engine("emt")
    compressed = engine.at_pressure(12.5)
    assert engine.at_pressure(0) is engine and compressed.atomic_pressure == pytest.approx(12.5 * GPa)
    assert compressed.identity != engine.identity and compressed.energy_scale.endswith("enthalpy at 12.5 GPa")
    assert compressed.elements == engine.elements and compressed != engine.at_pressure(12)
    for wrong in (-1, float("nan"), float("inf")):
        with pytest.raises(InputError, match="pressure"):
            engine.at_pressure(wrong)


def test_emt_after_a_pickle_is_emt() -> None:
    engine = pickle.loads(pickle.dumps(find_engine("emt")))
    atoms, peer = bulk("Cu"), bulk("Cu")
    atoms.calc, peer.calc = engine.calculator(), EMT()
    assert atoms.get_potential_energy() == peer.get_potential_energy()
    assert engine.refusal(bulk("Cu")) is None
    refusal = engine.refusal(rattled_salt())
    assert refusal is not None and refusal.detail == "emt does not know Cl, Na"


def test_chgnet_gives_what_chgnet_gives(capfd: pytest.CaptureFixture[str]) -> None:
    dynamics = pytest.importorskip("chgnet.model.dynamics")
    engine = find_engine("chgnet")
    atoms = rattled_salt()
    atoms.calc = engine.calculator()
    energy = atoms.get_potential_energy(force_consistent=True)
    forces, stress = atoms.get_forces(), atoms.get_stress()
    assert capfd.readouterr().out == ""  # the library greets; standard output is the user's
    peer = rattled_salt()
    peer.calc = dynamics.CHGNetCalculator(use_device="cpu")
    assert isinstance(energy, float) and energy == pytest.approx(peer.get_potential_energy(), abs=1e-6)
    assert forces.dtype == np.float64 and forces == pytest.approx(peer.get_forces(), abs=1e-6)
    assert stress == pytest.approx(peer.get_stress(), abs=1e-7)
    assert engine.energy_scale == MP2020 and "0.3.0" in engine.identity


def test_chgnet_is_consistent_with_its_energy() -> None:
    pytest.importorskip("chgnet")
    atoms = rattled_salt()
    atoms.calc = find_engine("chgnet").calculator()
    # energies are float32, so differences of small steps are rough
    assert atoms.get_forces() == pytest.approx(calculate_numerical_forces(atoms, eps=0.01), abs=5e-3)
    assert atoms.get_stress() == pytest.approx(calculate_numerical_stress(atoms, eps=1e-3), abs=5e-4)


def test_chgnet_refuses_what_it_never_saw() -> None:
    pytest.importorskip("chgnet")
    engine = find_engine("chgnet")
    polonium = bulk("Po", "sc", a=3.35)
    assert str(engine.refusal(polonium)) == "unknown element: chgnet does not know Po"
    polonium.calc = engine.calculator()
    with pytest.raises(InputError, match="Po"):
        polonium.get_potential_energy()
    lonely = Atoms("Cu", cell=[9, 9, 9], pbc=True, calculator=engine.calculator())
    with pytest.raises(InputError, match="isolated atom"):
        lonely.get_potential_energy()


def test_many_energies_at_once_are_those_of_the_calculator() -> None:
    pytest.importorskip("chgnet")
    crystals = [
        bulk("Cu"),
        rattled_salt(),
        bulk("Cs", "bcc", a=6.1),
        rattled_salt() * (2, 1, 1),
        bulk("Xe", "sc", a=9.0),
    ]
    found = chgnet.energies(crystals)
    assert isinstance(found[-1], Reason) and found[-1].kind == "isolated atom"
    calculator = find_engine("chgnet").calculator()
    for atoms, energy in zip(crystals[:-1], found[:-1], strict=True):
        assert energy == pytest.approx(calculator.get_potential_energy(atoms) / len(atoms), abs=1e-5)
    assert chgnet.energies([]) == []


@pytest.mark.parametrize("name", POTENTIALS)
def test_every_entry_has_what_an_entry_needs(name: str) -> None:
    module = module_of(name)
    assert list(signature(module.find).parameters) == ["name"]
    assert list(signature(module.calculator).parameters) == ["name", "directory"]


OWN = """
from ase.calculators.lj import LennardJones

class Own(LennardJones):
    identity, energy_scale, elements = "weights 7", "Lennard-Jones", ["Ar"]

def plain():
    return LennardJones(epsilon=2.0)

class Text(LennardJones):
    elements = "Ar Kr"

class Numbers(LennardJones):
    elements = (18, 36)

def wrong():
    return 3

def broken():
    raise RuntimeError("no\\nweights here")

number = 3
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "my_calculators.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "my_calculators", raising=False)
    return "my_calculators"


def test_an_own_calculator_from_the_current_folder(own: str) -> None:
    engine = pickle.loads(pickle.dumps(find_engine(f"{own}:Own")))
    assert engine.energy_scale == "Lennard-Jones" and "weights 7" in engine.identity
    assert engine.refusal(bulk("Ar", a=5.3)) is None and "Ne" in engine.refusal(bulk("Ne", a=5.3)).detail
    plain = find_engine(f"{own}:plain")
    assert plain.calculator().parameters.epsilon == 2.0
    assert plain.energy_scale == f"{own}:plain"  # unknown, so its own: no mixing


def test_elements_of_an_own_calculator_are_symbols(own: str) -> None:
    assert find_engine(f"{own}:Text").elements == {"Ar", "Kr"}  # not the letters
    with pytest.raises(InputError, match="my_calculators:Numbers: elements has 18, which is no symbol"):
        find_engine(f"{own}:Numbers")


def test_the_identity_follows_the_file(own: str, tmp_path: Path) -> None:
    before = find_engine(f"{own}:plain").identity
    (tmp_path / "my_calculators.py").write_text(OWN.replace("2.0", "3.0"))
    assert find_engine(f"{own}:plain").identity != before


@pytest.mark.parametrize("attribute", ["missing", "number", ""])
def test_what_is_no_calculator(own: str, attribute: str) -> None:
    with pytest.raises(InputError):
        find_engine(f"{own}:{attribute}")


def test_what_gives_no_calculator_is_found_out_at_once_in_one_line(own: str, tmp_path: Path) -> None:
    (tmp_path / "unfinished.py").write_text("class Own(:")
    (tmp_path / "lacking.py").write_text("raise KeyError('MY_LICENCE')")
    for name, message in (
        (f"{own}:wrong", "not an ASE calculator"),
        (f"{own}:broken", "gives no calculator: RuntimeError: no weights here"),
        ("unfinished:Own", "unfinished fails with SyntaxError"),
        ("lacking:Own", "lacking fails with KeyError: 'MY_LICENCE'"),
    ):
        with pytest.raises(InputError, match=message) as caught:
            find_engine(name)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["nothing", "no.such.module:Thing", ":x", ""])
def test_unknown_names(name: str) -> None:
    with pytest.raises(InputError, match="no calculator"):
        find_engine(name)


def test_vasp_not_configured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for variable in ("ASE_VASP_COMMAND", "VASP_COMMAND", "VASP_SCRIPT", "VASP_PP_PATH"):
        monkeypatch.delenv(variable, raising=False)
    with pytest.raises(AsegenError, match="ASE_VASP_COMMAND"):
        find_engine("vasp")
    monkeypatch.setenv("ASE_VASP_COMMAND", "vasp_std")
    with pytest.raises(AsegenError, match="VASP_PP_PATH"):
        find_engine("vasp")
    monkeypatch.setenv("VASP_PP_PATH", str(tmp_path))
    engine = find_engine("vasp")
    calculator = engine.calculator(tmp_path / "work")
    assert Path(calculator.directory) == tmp_path / "work" and calculator.int_params["nelm"] == 200
    assert Path(engine.calculator().directory).is_dir()


def test_a_missing_package_is_one_line() -> None:
    code = (
        "import importlib.util as u; real = u.find_spec\n"
        "u.find_spec = lambda name, *rest: None if name in ('chgnet', 'gpaw') else real(name, *rest)\n"
        "from asegen.errors import AsegenError\n"
        "from asegen.potentials.engine import find_engine\n"
        "for name in ('chgnet', 'gpaw'):\n"
        "    try: find_engine(name)\n"
        "    except AsegenError as error: print(error)\n"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.splitlines()[0] == "chgnet is not installed: pip install asegen[screen]"
    assert out.splitlines()[1].startswith("gpaw is not installed")


@pytest.mark.slow
def test_gpaw_runs() -> None:
    pytest.importorskip("gpaw")
    engine = find_engine("gpaw")
    atoms = bulk("Al")
    atoms.calc = engine.calculator()
    assert np.isfinite(atoms.get_potential_energy()) and np.isfinite(atoms.get_stress()).all()
    assert engine.refusal(atoms) is None and "Al" in engine.elements
