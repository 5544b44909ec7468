"""Any ASE calculator of the user's, named `module:object`.

The object is a calculator class, or a function without arguments that gives a calculator, importable from here or from
the current folder. It may have the attributes `identity` (version and hash of its model), `energy_scale` and `elements`
(symbols); without an identity, the module's file is hashed.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

from ase.calculators.calculator import Calculator
from ase.data import chemical_symbols

from asegen.arguments import listed
from asegen.errors import InputError
from asegen.parallel.files import sha256
from asegen.potentials.engine import Engine


def find(name: str) -> Engine:
    """Loads the object and builds a calculator once, so that what is broken fails here and not for every structure.

    Args:
        name: `module:object`.

    Raises:
        InputError: there is no such object, it gives no calculator, or its `elements` are none.
    """
    target = _load(name)
    calculator(name)
    scale = str(getattr(target, "energy_scale", name))
    return Engine(name, f"{name}, {_identity(name, target)}", scale, _elements(name, target))


def calculator(name: str, directory: Path | None = None) -> Calculator:
    """A fresh calculator.

    Args:
        name: `module:object`.
        directory: not handed on; a calculator that needs files chooses its own place.

    Raises:
        InputError: the object can't be loaded, fails, or gives something else.
    """
    target = _load(name)
    try:
        made = target()
    except Exception as error:  # the user's code, or a package or file that it needs
        raise InputError(f"{name} gives no calculator: {_in_one_line(error)}") from error
    if not hasattr(made, "get_property"):
        raise InputError(f"{name} gives a {type(made).__name__}, not an ASE calculator")
    return made


def _elements(name: str, target: object) -> frozenset[str] | None:
    """The symbols that the object says it knows; None where it says nothing.

    Raises:
        InputError: they are no symbols.
    """
    said = getattr(target, "elements", None)
    if said is None:
        return None
    symbols = said.split() if isinstance(said, str) else listed(said)
    if others := [one for one in symbols if one not in chemical_symbols[1:]]:
        raise InputError(f"{name}: elements has {others[0]!r:.40}, which is no symbol of an element")
    return frozenset(symbols)


def _identity(name: str, target: object) -> str:
    """What the object says of itself, or its file's hash; with the version of its package, if it is of one."""
    module = name.partition(":")[0]
    identity = getattr(target, "identity", None)
    if identity is None:
        file = getattr(sys.modules[module], "__file__", None)
        identity = f"sha256 {sha256(Path(file))[:12]}" if file else "unknown version"
    package = module.split(".")[0]
    with contextlib.suppress(metadata.PackageNotFoundError):
        identity = f"{package} {metadata.version(package)}, {identity}"
    return str(identity)


def _load(name: str) -> Callable[[], Any]:
    module, _, attribute = name.partition(":")
    if not all(part.isidentifier() for part in (*module.split("."), *attribute.split("."))):
        raise InputError(f"no calculator {name!r}: write module:object, the names of Python's")
    if os.getcwd() not in sys.path:  # a script of the user's, beside the structures; as `python -m` does
        sys.path.append(os.getcwd())
    try:
        target: Any = importlib.import_module(module)
        for part in attribute.split("."):
            target = getattr(target, part)
    except (ImportError, AttributeError, ValueError) as error:
        raise InputError(f"no calculator {name!r}: {error}") from None
    except Exception as error:  # the user's code
        raise InputError(f"no calculator {name!r}: {module} fails with {_in_one_line(error)}") from error
    if not callable(target):
        raise InputError(f"{name} is neither a calculator class nor a function that gives a calculator")
    return target


def _in_one_line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())
