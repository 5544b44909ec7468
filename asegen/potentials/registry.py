"""Potentials by name.

To add one, write a module with two functions and name it here:

- `find(name)` gives an `asegen.potentials.engine.Engine`, or raises AsegenError, in one line, where the potential can't
  be used; it computes no energies;
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
    "espresso": "asegen.potentials.espresso",
    "gpaw": "asegen.potentials.gpaw",
    "vasp": "asegen.potentials.vasp",
    **dict.fromkeys(("sevennet", "7net-0", "7net-l3i5", "7net-mf-0"), "asegen.potentials.sevennet"),
    **dict.fromkeys(
        ("mace", "orb", "mattersim", "nequix", "matgl", "upet", "grace", "fairchem"), "asegen.potentials.others"
    ),
}
"""Name -> module."""
WITH_WEIGHTS = frozenset({"asegen.potentials.others"})
"""Modules whose potentials may be named with a file of weights, `mace:/path/to/model`."""
FOREIGN = "asegen.potentials.foreign"
"""The module of all other calculators, which are named `module:object`."""


def module_of(name: str) -> ModuleType:
    """The module of a potential.

    Args:
        name: a key of `POTENTIALS`, also with a file of weights (see `WITH_WEIGHTS`), or `module:object`.

    Raises:
        InputError: none of them.
    """
    check_name(name)
    module = POTENTIALS.get(name.partition(":")[0], FOREIGN)
    return import_module(module if name in POTENTIALS or module in WITH_WEIGHTS else FOREIGN)


def check_name(name: str) -> None:
    """Whether a name could be that of a potential; imports nothing.

    Args:
        name: as of `module_of`.

    Raises:
        InputError: none of them.
    """
    if not isinstance(name, str) or (name not in POTENTIALS and ":" not in name):
        raise InputError(f"no calculator {name!r}; there are {', '.join(POTENTIALS)}, or module:object")
