"""Crystals of the elements, and what an atom in them is worth to a potential."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from ase import Atoms
from ase.build import bulk
from ase.collections import dcdft
from ase.data import atomic_numbers, reference_states
from ase.spacegroup import crystal

from asegen.errors import AsegenError
from asegen.potentials.engine import Engine
from asegen.potentials.minimise import minimise

Runner = Callable[[Callable[[Any], Any], Sequence[Any]], Sequence[Any]]
"""Calls a function of each of some arguments, anywhere, and gives the results in order; the exception where one
fails."""

_FMAX, _STEPS = 0.02, 1000
_CRYSTALS: dict[str, tuple[list[tuple[float, float, float]], int, int, list[float]]] = {
    "S": (  # Rettig and Trotter, Acta Cryst. C 1987
        [
            (0.8554, 0.9526, 0.9516),
            (0.7844, 0.0301, 0.0763),
            (0.7069, 0.9795, 0.0040),
            (0.7862, 0.9073, 0.1290),
        ],
        70,
        2,
        [10.4646, 12.8660, 24.4860, 90, 90, 90],
    ),
    "Pa": ([(0, 0, 0)], 139, 1, [3.925, 3.925, 3.238, 90, 90, 90]),  # Zachariasen, Acta Cryst. 1952
    "U": ([(0, 0.1025, 0.25)], 63, 1, [2.854, 5.870, 4.955, 90, 90, 90]),  # Barrett et al., Phys. Rev. 1963
}
"""Symbol -> sites (fractional), space group, its setting in ASE, lengths (Å) and angles (degrees) of the cell."""


def element_crystal(symbol: str) -> Atoms | None:
    """The crystal that stands for an element, where one is known.

    ASE's dcdft set (Lejaeghere et al., Science 2016) but for sulphur, which is a made-up cubic one there, 0.7 eV/atom
    above orthorhombic S8; beyond it, Pa, U, and the lanthanides and actinides that ASE's table of lattice constants
    tells how to build (double hcp ones as hcp).
    """
    if symbol in _CRYSTALS:
        sites, group, setting, cell = _CRYSTALS[symbol]
        symbols = [symbol] * len(sites)
        return crystal(symbols, sites, spacegroup=group, setting=setting, cellpar=cell, primitive_cell=True)
    if symbol in dcdft.names:
        return dcdft[symbol]
    state = reference_states[atomic_numbers[symbol]] or {}
    return bulk(symbol) if state.get("symmetry") in ("fcc", "bcc", "hcp", "rhombohedral") else None


def relaxed_energy(atoms: Atoms, engine: Engine) -> tuple[float | None, str]:
    """A crystal's energy after its relaxation, eV/atom (at the engine's pressure its enthalpy), or why there is none.

    Args:
        atoms: passes the validity gate.
        engine: the potential.
    """
    if (reason := engine.refusal(atoms)) is not None:
        return None, str(reason)
    try:
        end = minimise(atoms, engine.calculator(), _FMAX, _STEPS, pressure=engine.atomic_pressure)
    except Exception as error:  # every calculator fails in its own way
        return None, f"the calculator failed: {' '.join(str(error).split())[:200] or type(error).__name__}"
    return (end.enthalpy, "") if end.converged else (None, end.reason)


def crystal_energies(engine: Engine, symbols: Iterable[str], run: Runner | None = None) -> dict[str, float]:
    """Symbol -> energy of the element's relaxed crystal, eV/atom; elements without one are left out.

    Args:
        engine: the potential.
        symbols: of elements.
        run: where crystals are relaxed; here without it.

    Raises:
        AsegenError: the potential can't be built.
    """
    crystals = [(symbol, atoms) for symbol in symbols if (atoms := element_crystal(symbol)) is not None]
    work = partial(_energy, engine)
    answers = [work(atoms) for _, atoms in crystals] if run is None else run(work, [atoms for _, atoms in crystals])
    found = {}
    for (symbol, _), answer in zip(crystals, answers, strict=True):
        if isinstance(answer, AsegenError):
            raise answer
        if isinstance(answer, float):
            found[symbol] = round(answer, 4)
    return found


def _energy(engine: Engine, atoms: Atoms) -> float | None:
    return relaxed_energy(atoms, engine)[0]
