"""Shipped weights by name, other weights by path: what can be said of them without torch."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from asegen.errors import InputError
from asegen.models.header import read_model_header

DEFAULT_RELAXER = "empnn-mp"
JUDGE = ".judge"
"""Weights of a `Judge` that lie beside a generator's, `NAME.judge.safetensors`, are a part of it."""
CATALOGUE = ".wyckoff"
"""`NAME.wyckoff.safetensors` is a catalogue of known crystals, see `asegen.prototypes.catalogue`."""


def shipped_weights(*tasks: str) -> list[str]:
    """Names of the weights inside the package, of some classes of tasks or of all."""
    folder = resources.files("asegen") / "weights"
    names = sorted(e.name.removesuffix(".safetensors") for e in folder.iterdir() if e.name.endswith(".safetensors"))
    names = [name for name in names if not name.endswith((JUDGE, CATALOGUE))]
    return [name for name in names if not tasks or read_model_header(_place(name))["process"]["class"] in tasks]


def shipped_catalogue() -> Path:
    """The catalogue of known crystals inside the package: mp/train."""
    return _place(f"mp{CATALOGUE}")


def find_weights(name_or_path: str | Path, *tasks: str) -> Path:
    """The file of shipped weights by name, or a path as it is.

    Args:
        name_or_path: what is looked for.
        tasks: classes of tasks of which the error names the shipped weights; all without them.

    Raises:
        InputError: neither.
    """
    if name_or_path in shipped_weights():
        return _place(name_or_path)
    path = Path(str(name_or_path))
    if not path.is_file():
        known = ", ".join(shipped_weights(*tasks)) or "none"
        raise InputError(f"no model {str(name_or_path)!r}; shipped: {known}; or a path of weights")
    return path


def _place(name: str) -> Path:
    return Path(str(resources.files("asegen") / "weights" / f"{name}.safetensors"))
