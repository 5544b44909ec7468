"""Universal potentials by their own packages' constructors: MACE, Orb, MatterSim, Nequix, MatGL, UPET, GRACE, fairchem.

Their packages exclude each other and some need a newer Python, so that each goes into an environment of its own, beside
asegen. Weights are downloaded by the package at first use, or come from a file: `mace:/path/to/model`. To add a
potential, write a function that builds its calculator, and a line of `OTHERS`.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path
from typing import Any

from ase.calculators.calculator import Calculator

from asegen.errors import AsegenError, InputError
from asegen.parallel.files import sha256
from asegen.potentials.engine import MP_ELEMENTS, Engine


@dataclass(frozen=True)
class Other:
    """A package with pretrained potentials.

    Attributes:
        package: as pip names it.
        module: as Python imports it.
        model: the pretrained model that is used where no file is named.
        build: model, or file of weights or None -> calculator on the processor.
        elements: symbols that the model knows; None where it tells itself.
    """

    package: str
    module: str
    model: str
    build: Callable[[str, str | None], Any]
    elements: frozenset[str] | None = None


def find(name: str) -> Engine:
    """A potential whose weights are there, or have just been downloaded.

    Args:
        name: a key of `OTHERS`, or with a file of weights, `mace:/path/to/model`.

    Raises:
        AsegenError: the package is missing, or its weights can't be had.
        InputError: there is no such file of weights.
    """
    other, weights = _parts(name)
    if util.find_spec(other.module) is None:
        raise AsegenError(f"{_key(name)} is not installed: pip install {other.package}, in an environment of its own")
    calculator(name)  # downloads once, rather than in many processes, and fails here rather than for every structure
    model = other.model if weights is None else f"{Path(weights).name} sha256 {sha256(Path(weights))[:12]}"
    identity = f"{other.package} {metadata.version(other.package)}, model {model}"
    return Engine(name, identity, f"{_key(name)} {model}", other.elements if weights is None else None)


def calculator(name: str, directory: Path | None = None) -> Calculator:
    """A fresh calculator on this process's processor; it works with no files.

    Args:
        name: as of `find`.
        directory: not handed on.

    Raises:
        AsegenError: the package refuses, or its weights can't be had.
        InputError: there is no such file of weights.
    """
    other, weights = _parts(name)
    try:
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():  # standard output is the user's
            warnings.simplefilter("ignore")
            made: Calculator = other.build(other.model, weights)
    except Exception as error:  # of a package, the network or a file
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        wanted = f"{_key(name)} can't read {weights}" if weights else f"the weights of {other.model} can't be had"
        advice = "" if weights else f"; a file of weights will do, {_key(name)}:/path/to/model"
        raise AsegenError(f"{wanted}: {reason}{advice}") from error
    return made


def _parts(name: str) -> tuple[Other, str | None]:
    key, _, weights = name.partition(":")
    if weights and not Path(weights).expanduser().exists():
        raise InputError(f"{name}: there is no file {weights}")
    return OTHERS[key], str(Path(weights).expanduser()) if weights else None


def _key(name: str) -> str:
    return name.partition(":")[0]


def _mace(model: str, weights: str | None) -> Any:
    from mace.calculators import mace_mp

    return mace_mp(model=weights or model, device="cpu", default_dtype="float64")


def _orb(model: str, weights: str | None) -> Any:
    from orb_models.forcefield import pretrained
    from orb_models.forcefield.inference.calculator import ORBCalculator

    load = getattr(pretrained, model)
    arguments = {"device": "cpu", "precision": "float64", "compile": False}
    network, adapter = load(**arguments) if weights is None else load(weights_path=weights, **arguments)
    return ORBCalculator(network, adapter, device="cpu")


def _mattersim(model: str, weights: str | None) -> Any:
    from mattersim.forcefield import MatterSimCalculator

    return MatterSimCalculator(load_path=weights or model, device="cpu")


def _nequix(model: str, weights: str | None) -> Any:
    from nequix.calculator import NequixCalculator

    return NequixCalculator(model_name=model, model_path=weights, use_kernel=False)


def _matgl(model: str, weights: str | None) -> Any:
    import matgl
    from matgl.ext.ase import PESCalculator

    return PESCalculator(matgl.load_model(weights or model), stress_unit="eV/A3")


def _upet(model: str, weights: str | None) -> Any:
    from upet.calculator import UPETCalculator

    if weights is None:
        return UPETCalculator(model=model, device="cpu")
    return UPETCalculator(checkpoint_path=weights, device="cpu")


def _grace(model: str, weights: str | None) -> Any:
    from tensorpotential.calculator import TPCalculator, grace_fm

    return grace_fm(model) if weights is None else TPCalculator(model=weights)


def _fairchem(model: str, weights: str | None) -> Any:
    from fairchem.core import FAIRChemCalculator
    from fairchem.core.calculate import pretrained_mlip
    from fairchem.core.units.mlip_unit import load_predict_unit

    if weights is None:
        unit = pretrained_mlip.get_predict_unit(model, device="cpu")
    else:
        unit = load_predict_unit(weights, device="cpu")
    return FAIRChemCalculator(unit, task_name="omat")


OTHERS = {
    "mace": Other("mace-torch", "mace", "medium-mpa-0", _mace, MP_ELEMENTS),
    "orb": Other("orb-models", "orb_models", "orb_v3_conservative_inf_mpa", _orb, MP_ELEMENTS),
    "mattersim": Other("mattersim", "mattersim", "MatterSim-v1.0.0-5M.pth", _mattersim),
    "nequix": Other("nequix", "nequix", "nequix-mp-1", _nequix, MP_ELEMENTS),
    "matgl": Other("matgl", "matgl", "TensorNet-PES-MatPES-PBE-2025.2", _matgl),
    "upet": Other("upet", "upet", "pet-oam-l", _upet),
    "grace": Other("tensorpotential", "tensorpotential", "GRACE-2L-OAM", _grace),
    "fairchem": Other("fairchem-core", "fairchem", "uma-s-1p1", _fairchem),
}
"""Name -> package."""
