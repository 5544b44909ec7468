"""SevenNet (Park et al., J. Chem. Theory Comput. 20, 4857 (2024)): equivariant message passing, weights in its package.

Slower than CHGNet and nearer to DFT in curvatures: a second opinion on the best, not a first relaxer.
"""

from __future__ import annotations

import logging
import warnings
from functools import cache
from importlib import metadata, util
from pathlib import Path

from ase.calculators.calculator import Calculator

from asegen.errors import AsegenError
from asegen.parallel.files import sha256
from asegen.potentials.engine import MP_ELEMENTS, Engine

_FILES = {
    "7net-0": "SevenNet_0__11Jul2024/checkpoint_sevennet_0.pth",
    "7net-l3i5": "SevenNet_l3i5/checkpoint_l3i5.pth",
    "7net-mf-0": "SevenNet_MF_0/checkpoint_sevennet_mf_0.pth",
}
"""Model -> its file within the package's `pretrained_potentials`."""
_MODALS = {"7net-mf-0": "PBE"}
"""Which of its levels of theory a model that knows several is asked for."""


def find(name: str = "sevennet") -> Engine:
    """A model, with the hash of its weights.

    Args:
        name: `7net-0`, also called `sevennet`; `7net-l3i5`, the best, half as fast; `7net-mf-0`, at its level PBE.

    Raises:
        AsegenError: SevenNet isn't installed, or without these weights.
    """
    model = _model(name)
    digits = _weights_hash(model)[:12]
    identity = f"sevenn {metadata.version('sevenn')}, model {model}, sha256 {digits}"
    return Engine(name, identity, f"SevenNet {model}", MP_ELEMENTS)


def calculator(name: str = "sevennet", directory: Path | None = None) -> Calculator:
    """A fresh calculator on this process's processor, with one thread; it works with no files."""
    import torch

    torch.set_num_threads(1)
    logging.getLogger("sevenn").setLevel(logging.ERROR)  # of accelerators that a processor has no use for
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from sevenn.calculator import SevenNetCalculator

        model = _model(name)
        made: Calculator = SevenNetCalculator(model=model, device="cpu", modal=_MODALS.get(model))
    return made


def _model(name: str) -> str:
    return "7net-0" if name == "sevennet" else name


@cache
def _weights_hash(model: str) -> str:
    package = util.find_spec("sevenn")
    if package is None or package.origin is None:
        raise AsegenError("sevenn is not installed: pip install asegen[sevennet]")
    file = Path(package.origin).parent / "pretrained_potentials" / _FILES[model]
    if not file.is_file():
        raise AsegenError(f"sevenn is installed without the weights of {model}: install it anew")
    return sha256(file)
