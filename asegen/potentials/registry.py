"""Potentials by name.

To add one, write a module with two functions and name it here:

- `find(name)` gives an `asegen.potentials.engine.Engine`, or raises AsegenError, in one line, where the potential can't
  be used; it computes nothing;
- `calculator(name, directory)` gives a fresh ASE calculator; `directory` is a Path for programs that work with files,
  or None.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from asegen.errors import InputError

POTENTIALS = {
    "chgnet": "asegen.potentials.chgnet",
    "emt": "asegen.potentials.emt",
    "gpaw": "asegen.potentials.gpaw",
    "vasp": "asegen.potentials.vasp",
}
"""Name -> module."""
FOREIGN = "asegen.potentials.foreign"
"""The module of all other calculators, which are named `module:object`."""


def module_of(name: str) -> ModuleType:
    """The module of a potential.

    Args:
        name: a key of `POTENTIALS`, or `module:object`.

    Raises:
        InputError: neither.
    """
    check_name(name)
    return import_module(POTENTIALS.get(name, FOREIGN))


def check_name(name: str) -> None:
    """Whether a name could be that of a potential; imports nothing.

    Args:
        name: a key of `POTENTIALS`, or `module:object`.

    Raises:
        InputError: neither.
    """
    if name not in POTENTIALS and ":" not in name:
        raise InputError(f"no calculator {name!r}; there are {', '.join(POTENTIALS)}, or module:object")
