"""Potentials of other packages: what is passed to whom, and one clear line where a package or weights are missing.

The packages exclude each other, so that stand-ins with their constructors' signatures take their places here.
"""

import sys
from importlib import metadata, util
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from ase.calculators.lj import LennardJones

from asegen.errors import AsegenError, InputError
from asegen.potentials.engine import MP_ELEMENTS, find_engine
from asegen.potentials.others import OTHERS
from asegen.potentials.registry import FOREIGN, POTENTIALS, module_of

Calls = list[tuple[str, dict[str, Any]]]


class Stand(ModuleType):
    """A module whose attributes are functions that note how they are called."""

    def __init__(self, name: str, calls: Calls, failure: Exception | None) -> None:
        super().__init__(name)
        self.__path__: list[str] = []
        self._calls, self._failure = calls, failure

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)

        def function(*args: Any, **kwargs: Any) -> Any:
            self._calls.append((name, {**{str(k): value for k, value in enumerate(args)}, **kwargs}))
            if self._failure is not None:
                raise self._failure
            return ("network", "adapter") if name.startswith("orb_") else LennardJones()

        return function


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Any:
    def put(name: str, failure: Exception | None = None) -> Calls:
        calls: Calls = []
        other, real, version = OTHERS[name], util.find_spec, metadata.version
        modules = {
            *("mace", "mace.calculators", "orb_models", "orb_models.forcefield", "orb_models.forcefield.inference"),
            *("orb_models.forcefield.inference.calculator", "mattersim", "mattersim.forcefield", "nequix"),
            *("nequix.calculator", "matgl", "matgl.ext", "matgl.ext.ase", "upet", "upet.calculator"),
            *("tensorpotential", "tensorpotential.calculator", "fairchem", "fairchem.core", "fairchem.core.calculate"),
            *("fairchem.core.units", "fairchem.core.units.mlip_unit"),
        }
        for module in modules:
            monkeypatch.setitem(sys.modules, module, Stand(module, calls, failure))
        parent = sys.modules["orb_models.forcefield"]
        parent.pretrained = sys.modules["mace"]  # type: ignore[attr-defined]  # any that notes its calls
        core = sys.modules["fairchem.core.calculate"]
        core.pretrained_mlip = sys.modules["mace"]  # type: ignore[attr-defined]
        found = ModuleSpec(other.module, None)
        monkeypatch.setattr(util, "find_spec", lambda n, *rest: found if n == other.module else real(n, *rest))
        monkeypatch.setattr(metadata, "version", lambda n: "9.9" if n == other.package else version(n))
        return calls

    return put


DEFAULTS: dict[str, Calls] = {
    "mace": [("mace_mp", {"model": "medium-mpa-0", "device": "cpu", "default_dtype": "float64"})],
    "orb": [
        ("orb_v3_conservative_inf_mpa", {"device": "cpu", "precision": "float64", "compile": False}),
        ("ORBCalculator", {"0": "network", "1": "adapter", "device": "cpu"}),
    ],
    "mattersim": [("MatterSimCalculator", {"load_path": "MatterSim-v1.0.0-5M.pth", "device": "cpu"})],
    "nequix": [("NequixCalculator", {"model_name": "nequix-mp-1", "model_path": None, "use_kernel": False})],
    "matgl": [("load_model", {"0": "TensorNet-PES-MatPES-PBE-2025.2"}), ("PESCalculator", {"stress_unit": "eV/A3"})],
    "upet": [("UPETCalculator", {"model": "pet-oam-l", "device": "cpu"})],
    "grace": [("grace_fm", {"0": "GRACE-2L-OAM"})],
    "fairchem": [
        ("get_predict_unit", {"0": "uma-s-1p1", "device": "cpu"}),
        ("FAIRChemCalculator", {"task_name": "omat"}),
    ],
}
WEIGHTS = {
    "mace": ("mace_mp", "model"),
    "orb": ("orb_v3_conservative_inf_mpa", "weights_path"),
    "mattersim": ("MatterSimCalculator", "load_path"),
    "nequix": ("NequixCalculator", "model_path"),
    "matgl": ("load_model", "0"),
    "upet": ("UPETCalculator", "checkpoint_path"),
    "grace": ("TPCalculator", "model"),
    "fairchem": ("load_predict_unit", "0"),
}


def without_calculators(calls: Calls) -> Calls:
    return [(n, {k: v for k, v in a.items() if not isinstance(v, LennardJones)}) for n, a in calls]


@pytest.mark.parametrize("name", OTHERS)
def test_the_default_model(name: str, install: Any) -> None:
    calls = install(name)
    engine = find_engine(name)
    other = OTHERS[name]
    assert without_calculators(calls) == DEFAULTS[name]
    assert engine.identity == f"{other.package} 9.9, model {other.model}"
    assert engine.energy_scale == f"{name} {other.model}" and engine.elements in (None, MP_ELEMENTS)
    assert isinstance(engine.calculator(), LennardJones)


@pytest.mark.parametrize("name", OTHERS)
def test_a_file_of_weights(name: str, install: Any, tmp_path: Path) -> None:
    calls, file = install(name), tmp_path / "my.model"
    file.write_bytes(b"1")
    engine = find_engine(f"{name}:{file}")
    function, argument = WEIGHTS[name]
    assert calls[0][0] == function and calls[0][1][argument] == str(file)
    assert "my.model sha256 6b86b273ff34" in engine.identity and engine.elements is None
    file.write_bytes(b"2")
    assert find_engine(f"{name}:{file}").identity != engine.identity


@pytest.mark.parametrize("name", OTHERS)
def test_a_missing_package_is_one_line(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(util, "find_spec", lambda *_: None)
    with pytest.raises(AsegenError, match=f"^{name} is not installed: pip install {OTHERS[name].package}, in an env"):
        find_engine(name)


def test_weights_that_cant_be_had_are_one_line(install: Any, tmp_path: Path) -> None:
    install("mace", OSError("Name or\nservice not known"))
    with pytest.raises(AsegenError) as caught:
        find_engine("mace")
    assert str(caught.value) == (
        "the weights of medium-mpa-0 can't be had: OSError: Name or service not known; "
        "a file of weights will do, mace:/path/to/model"
    )
    with pytest.raises(InputError, match=r"mace:absent.model: there is no file absent.model"):
        find_engine("mace:absent.model")
    (tmp_path / "bad.model").touch()
    with pytest.raises(AsegenError, match="mace can't read .*bad.model: OSError"):
        find_engine(f"mace:{tmp_path / 'bad.model'}")


def test_files_of_weights_only_where_they_are_taken() -> None:
    assert module_of("mace:/some/file").__name__ == POTENTIALS["mace"]
    assert module_of("chgnet:Thing").__name__ == FOREIGN and module_of("mace.calculators:mace_mp").__name__ == FOREIGN
