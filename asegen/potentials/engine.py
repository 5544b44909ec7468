"""ASE calculators by name, described so that a stage can run elsewhere and a cache knows whose energies it holds.

`find_engine` looks once and fails early, in one line; the `Engine` that it gives is plain data, and every process
builds its own calculator from it, with one thread.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import io
import json
import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import metadata, util
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.config import cfg
from ase.data import chemical_symbols

from asegen.errors import AsegenError, InputError, Reason

MP2020 = "MP2020"
"""Energy scale of the Materials Project: PBE and PBE+U with the corrections of 2020 (Wang et al., Sci. Rep. 2021).
CHGNet was trained on these energies."""

CHGNET_ELEMENTS = frozenset(chemical_symbols[1:84] + chemical_symbols[89:95])
"""The 89 elements of CHGNet's training data; its table has entries for Po to Ra too, which were never trained."""

GPAW_SETTINGS: dict[str, Any] = {
    "mode": {"name": "pw", "ecut": 500.0},
    "xc": "PBE",
    "kpts": {"density": 4.0, "gamma": True},
    "occupations": {"name": "fermi-dirac", "width": 0.05},
    "convergence": {"forces": 1e-3},
}
"""Plane waves to 500 eV, 4 k-points per Å⁻¹ with Γ, 0.05 eV of smearing."""

VASP_SETTINGS: dict[str, Any] = {
    "xc": "PBE",
    "setups": "materialsproject",
    "encut": 520,
    "prec": "Accurate",
    "ediff": 1e-6,
    "kspacing": 0.22,
    "kgamma": True,
    "ismear": 0,
    "sigma": 0.05,
    "lreal": False,
    "lasph": True,
    "nelm": 200,
    "lwave": False,
    "lcharg": False,
}
"""The Materials Project's potentials and cut-off, without its +U and its corrections."""


@dataclass(frozen=True)
class Engine:
    """A calculator as plain values; picklable, whatever it stands for.

    Attributes:
        name: what the user asked for: "chgnet", "emt", "gpaw", "vasp" or "module:object".
        identity: name, version and hash of the model or of the settings: what energies are cached under.
        energy_scale: energies may share a hull only where this is the same.
        elements: symbols that it can handle; None where that isn't known beforehand.
    """

    name: str
    identity: str
    energy_scale: str
    elements: frozenset[str] | None = None

    def calculator(self, directory: Path | None = None) -> Calculator:
        """A fresh calculator.

        Args:
            directory: where a program that works with files (VASP) does so; a temporary folder without it.

        Raises:
            AsegenError: it can't be built in this process.
        """
        build = _BUILDERS.get(self.name)
        return build(directory) if build else _foreign_calculator(self.name)

    def refusal(self, atoms: Atoms) -> Reason | None:
        """Why a structure is beyond this calculator, with the elements named, or None."""
        if self.elements is None:
            return None
        foreign = sorted(set(atoms.symbols) - self.elements)
        return Reason("unknown element", f"{self.name} does not know {', '.join(foreign)}") if foreign else None


def find_engine(name: str) -> Engine:
    """Looks a calculator up.

    Args:
        name: "chgnet", "emt", "gpaw", "vasp", or `module:object`: a calculator class, or a function without arguments
            that gives a calculator, importable from here or from the current folder. Such an object may have the
            attributes `identity` (version and hash of its model), `energy_scale` and `elements` (symbols); without
            them, the module's file is hashed.

    Raises:
        InputError: no such name.
        AsegenError: its package is missing or not configured.
    """
    if name in _FINDERS:
        return _FINDERS[name]()
    if ":" in name:
        return _find_foreign(name)
    raise InputError(f"no calculator {name!r}; there are {', '.join(_FINDERS)}, or module:object")


def _find_emt() -> Engine:
    from ase.calculators.emt import parameters

    return Engine("emt", f"emt (ase {metadata.version('ase')})", "EMT", frozenset(parameters))


def _emt(directory: Path | None) -> Calculator:
    from ase.calculators.emt import EMT

    return EMT()


# ---- CHGNet


def _find_chgnet() -> Engine:
    if util.find_spec("chgnet") is None:
        raise AsegenError("chgnet is not installed: pip install asegen[screen]")
    model, weights = "0.3.0", "unknown"
    with contextlib.suppress(OSError):
        (file,) = (Path(str(util.find_spec("chgnet").origin)).parent / "pretrained" / model).glob("*.tar")  # type: ignore[union-attr]
        weights = _hash(file.read_bytes())
    identity = f"chgnet {metadata.version('chgnet')}, model {model}, sha256 {weights}"
    return Engine("chgnet", identity, MP2020, CHGNET_ELEMENTS)


def _chgnet(directory: Path | None) -> Calculator:
    import torch

    torch.set_num_threads(1)
    return GuardedChgnet()


@cache
def _chgnet_model() -> Any:
    from chgnet.model.model import CHGNet

    with contextlib.redirect_stdout(io.StringIO()):  # it announces itself, silenced or not
        model = CHGNet.load(use_device="cpu", verbose=False)
    model.graph_converter.set_isolated_atom_response("error")
    return model


class GuardedChgnet(Calculator):
    """CHGNet on a CPU as the other calculators are: float64 numbers, a free energy, and errors rather than nonsense.

    Energy and free energy in eV, forces (n_atoms, 3) in eV/Å, stress (6,) in eV/Å³ with ASE's sign.
    """

    implemented_properties = ["energy", "free_energy", "forces", "stress"]  # noqa: RUF012 (ASE's own type)

    def __init__(self) -> None:
        super().__init__()
        self._model = _chgnet_model()

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = tuple(all_changes),
    ) -> None:
        """Fills `results`; see ASE.

        Raises:
            InputError: an element that CHGNet wasn't trained on, or an atom without a neighbour within its cut-off.
        """
        from ase.units import GPa
        from pymatgen.io.ase import AseAtomsAdaptor

        super().calculate(atoms, properties, system_changes)
        structure: Any = self.atoms  # a copy that ASE has just made
        foreign = sorted(set(structure.symbols) - CHGNET_ELEMENTS)
        if foreign:
            raise InputError(f"unknown element: chgnet does not know {', '.join(foreign)}")
        plain = Atoms(structure.numbers, structure.positions, cell=structure.cell, pbc=True)
        try:
            graph = self._model.graph_converter(AseAtomsAdaptor.get_structure(plain))
        except ValueError as error:
            if "isolated" not in str(error):
                raise
            raise InputError("isolated atom: CHGNet needs a neighbour within 6 Å of every atom") from None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of how CHGNet itself builds its tensors
            found = self._model.predict_graph(graph, task="efs")
        energy = float(found["e"]) * (len(structure) if self._model.is_intensive else 1)
        stress = np.asarray(found["s"], float) * GPa
        self.results = {
            "energy": energy,
            "free_energy": energy,
            "forces": np.asarray(found["f"], float),
            "stress": stress.ravel()[[0, 4, 8, 5, 2, 1]],
        }


# ---- GPAW


def _find_gpaw() -> Engine:
    if util.find_spec("gpaw") is None:
        raise AsegenError("gpaw is not installed: pip install gpaw, with its setups (gpaw install-data)")
    from gpaw import setup_paths

    found = {file.name.split(".")[0] for path in setup_paths for file in Path(path).glob("*.PBE*")}
    if not found:
        raise AsegenError("gpaw has no PBE setups: gpaw install-data, or set GPAW_SETUP_PATH")
    settings = _hash(json.dumps(GPAW_SETTINGS, sort_keys=True).encode())
    elements = frozenset(found & set(chemical_symbols))
    return Engine("gpaw", f"gpaw {metadata.version('gpaw')}, settings {settings}", "GPAW PBE", elements)


def _gpaw(directory: Path | None) -> Calculator:
    from gpaw import GPAW

    return GPAW(**GPAW_SETTINGS, txt=None if directory is None else str(Path(directory) / "gpaw.txt"))


# ---- VASP


def _find_vasp() -> Engine:
    from ase.calculators.vasp import Vasp

    if not any(variable in cfg for variable in Vasp.env_commands):
        raise AsegenError(f"vasp is not configured: set {Vasp.env_commands[0]} to the command that starts it")
    if "VASP_PP_PATH" not in cfg or not Path(cfg["VASP_PP_PATH"]).is_dir():
        raise AsegenError("vasp is not configured: set VASP_PP_PATH to the folder of the potentials (see ASE)")
    settings = _hash(json.dumps(VASP_SETTINGS, sort_keys=True).encode())
    return Engine("vasp", f"vasp (ase {metadata.version('ase')}), settings {settings}", "VASP PBE")


def _vasp(directory: Path | None) -> Calculator:
    from ase.calculators.vasp import Vasp

    temporary = tempfile.TemporaryDirectory(prefix="asegen-vasp-") if directory is None else None
    calculator = Vasp(directory=str(directory or temporary.name), **VASP_SETTINGS)  # type: ignore[union-attr]
    calculator.temporary = temporary  # removed with the calculator
    return calculator


# ---- anything else


def _find_foreign(name: str) -> Engine:
    target = _load(name)
    identity = getattr(target, "identity", None)
    if identity is None:
        file = getattr(sys.modules[name.split(":")[0]], "__file__", None)
        identity = f"sha256 {_hash(Path(file).read_bytes())}" if file else "unknown version"
    package = name.partition(":")[0].split(".")[0]
    with contextlib.suppress(metadata.PackageNotFoundError):
        identity = f"{package} {metadata.version(package)}, {identity}"
    known: Iterable[str] | None = getattr(target, "elements", None)
    scale = getattr(target, "energy_scale", name)
    return Engine(name, f"{name}, {identity}", str(scale), None if known is None else frozenset(known))


def _foreign_calculator(name: str) -> Calculator:
    calculator = _load(name)()
    if not hasattr(calculator, "get_property"):
        raise InputError(f"{name} gives a {type(calculator).__name__}, not an ASE calculator")
    return calculator


def _load(name: str) -> Callable[[], Any]:
    module, _, attribute = name.partition(":")
    if os.getcwd() not in sys.path:  # a script of the user's, beside the structures; as `python -m` does
        sys.path.append(os.getcwd())
    try:
        target: Any = importlib.import_module(module)
        for part in attribute.split("."):
            target = getattr(target, part)
    except (ImportError, AttributeError, ValueError) as error:
        raise InputError(f"no calculator {name!r}: {error}") from None
    if not callable(target):
        raise InputError(f"{name} is neither a calculator class nor a function that gives a calculator")
    return target


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]


_FINDERS: dict[str, Callable[[], Engine]] = {
    "chgnet": _find_chgnet,
    "emt": _find_emt,
    "gpaw": _find_gpaw,
    "vasp": _find_vasp,
}
_BUILDERS: dict[str, Callable[[Path | None], Calculator]] = {
    "chgnet": _chgnet,
    "emt": _emt,
    "gpaw": _gpaw,
    "vasp": _vasp,
}
