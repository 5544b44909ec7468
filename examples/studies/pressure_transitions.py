"""Pressures of known transitions, from the enthalpies of both phases relaxed at each pressure.

    python examples/studies/pressure_transitions.py --calculator chgnet
    python examples/studies/pressure_transitions.py --calculator 7net-0 --only NaCl Si MgO ZnO

Both phases keep their space groups. Where the order of the enthalpies changes between two pressures, the transition is
sought between them by the secant, with further relaxations. Prints a table; "above" or "below the range" says that the
order doesn't change between the pressures that were tried.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from ase import Atoms
from ase.build import bulk
from ase.spacegroup import crystal

from asegen import relax_with_calculator
from asegen.structures.validity import primitive

REFINEMENTS = 2
"""Relaxations between the two pressures around a transition."""


class Transition(NamedTuple):
    """Two phases of a compound.

    Attributes:
        compound: its formula.
        low: the phase at low pressure, its name and its crystal.
        high: the phase at high pressure.
        pressures: GPa, where both are relaxed, rising.
        known: GPa, of the literature.
    """

    compound: str
    low: tuple[str, Atoms]
    high: tuple[str, Atoms]
    pressures: Sequence[float]
    known: str


def transitions() -> list[Transition]:
    """Those of the table; cells are primitive, near to experiment at zero pressure."""
    return [
        Transition(
            "NaCl",
            ("B1", bulk("NaCl", "rocksalt", a=5.64)),
            ("B2", bulk("NaCl", "cesiumchloride", a=3.4)),
            (0, 10, 20, 30, 40),
            "30 (experiment)",
        ),
        Transition(
            "Si",
            ("diamond", bulk("Si", "diamond", a=5.43)),
            ("beta-tin", _cell("Si", [(0, 0, 0)], 141, [4.69, 4.69, 2.58, 90, 90, 90])),
            (0, 5, 10, 15, 20),
            "11 (experiment), 8 (PBE)",
        ),
        Transition(
            "MgO",
            ("B1", bulk("MgO", "rocksalt", a=4.21)),
            ("B2", bulk("MgO", "cesiumchloride", a=2.6)),
            (0, 200, 400, 500, 600, 800),
            "500 (PBE)",
        ),
        Transition(
            "ZnO",
            ("B4", bulk("ZnO", "wurtzite", a=3.25, c=5.21, u=0.382)),
            ("B1", bulk("ZnO", "rocksalt", a=4.28)),
            (0, 5, 10, 15, 20),
            "9 (experiment)",
        ),
        Transition("SiO2", ("quartz", _quartz()), ("coesite", _coesite()), (0, 2, 4, 8), "2 (experiment)"),
        Transition("SiO2", ("coesite", _coesite()), ("stishovite", _stishovite()), (0, 5, 10, 15), "8 (experiment)"),
        Transition(
            "MgSiO3",
            ("perovskite", _perovskite()),
            ("post-perovskite", _post_perovskite()),
            (0, 30, 60, 100, 120, 140, 180),
            "120 (experiment)",
        ),
    ]


def _cell(symbols: str | list[str], sites: list[tuple[float, float, float]], group: int, cell: list[float]) -> Atoms:
    return primitive(crystal(symbols, sites, spacegroup=group, cellpar=cell))


def _quartz() -> Atoms:
    sites = [(0.4697, 0.0, 1 / 3), (0.4135, 0.2669, 0.2144)]
    return _cell(["Si", "O"], sites, 152, [4.916, 4.916, 5.405, 90, 90, 120])


def _coesite() -> Atoms:
    sites = [
        *((0.1403, 0.1083, 0.0723), (0.5068, 0.1580, 0.5407), (0.0, 0.0, 0.0), (0.5, 0.1163, 0.75)),
        *((0.2661, 0.1234, 0.9401), (0.3114, 0.1038, 0.3280), (0.0175, 0.2118, 0.4784)),
    ]
    return _cell(["Si"] * 2 + ["O"] * 5, sites, 15, [7.136, 12.369, 7.174, 90, 120.34, 90])


def _stishovite() -> Atoms:
    return _cell(["Si", "O"], [(0, 0, 0), (0.3061, 0.3061, 0)], 136, [4.180, 4.180, 2.667, 90, 90, 90])


def _perovskite() -> Atoms:
    sites = [(0.5560, 0.25, 0.5141), (0.0, 0.5, 0.5), (0.4660, 0.25, 0.1028), (0.2014, 0.5531, 0.1961)]
    return _cell(["Mg", "Si", "O", "O"], sites, 62, [4.929, 6.897, 4.775, 90, 90, 90])


def _post_perovskite() -> Atoms:
    sites = [(0.0, 0.253, 0.25), (0.0, 0.0, 0.0), (0.0, 0.923, 0.25), (0.0, 0.636, 0.438)]
    return _cell(["Mg", "Si", "O", "O"], sites, 63, [2.462, 8.053, 6.108, 90, 90, 90])


class Phase:
    """A phase of a compound, relaxed at one pressure after the other.

    Args:
        atoms: where the first relaxation begins.
        calculator: its name.
        fmax: eV/Å.
    """

    def __init__(self, atoms: Atoms, calculator: str, fmax: float) -> None:
        self._atoms, self._calculator, self._fmax = atoms, calculator, fmax
        self.steps = 0

    def enthalpy(self, pressure: float) -> float:
        """In eV/atom, at a pressure in GPa."""
        (found,) = relax_with_calculator(
            self._atoms, self._calculator, pressure=pressure, fmax=self._fmax, keep_symmetry=True, prerelax=None
        )
        if found.status != "converged":
            raise RuntimeError(f"{self._atoms.symbols} at {pressure} GPa: {found.status}: {found.reason}")
        self._atoms, self.steps = found.atoms, self.steps + found.steps + 1
        return found.enthalpy


def crossing(difference: Callable[[float], float], pressures: Sequence[float]) -> float:
    """Where a difference that rises with pressure changes its sign; infinite, with a sign, where that is outside.

    Args:
        difference: of enthalpies, of a pressure.
        pressures: rising.
    """
    before: tuple[float, float] | None = None
    for pressure in pressures:
        here = pressure, difference(pressure)
        if here[1] > 0:
            return -math.inf if before is None else _between(difference, before, here)
        before = here
    return math.inf


def _between(difference: Callable[[float], float], low: tuple[float, float], high: tuple[float, float]) -> float:
    for _ in range(REFINEMENTS):
        middle = _secant(low, high)
        found = difference(middle)
        low, high = ((middle, found), high) if found <= 0 else (low, (middle, found))
    return _secant(low, high)


def _secant(low: tuple[float, float], high: tuple[float, float]) -> float:
    return low[0] - low[1] * (high[0] - low[0]) / (high[1] - low[1])


def main() -> None:
    """Prints a line for each transition."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calculator", default="chgnet")
    parser.add_argument("--only", nargs="*", help="compounds")
    parser.add_argument("--fmax", type=float, default=0.01, help="eV/Å")
    args = parser.parse_args()
    print("| compound | phases | GPa | literature | force calls | CPU s |\n| --- | --- | --- | --- | --- | --- |")
    for one in transitions():
        if args.only and one.compound not in args.only:
            continue
        began = time.process_time()
        low, high = (Phase(atoms, args.calculator, args.fmax) for _, atoms in (one.low, one.high))
        found = crossing(lambda p, low=low, high=high: low.enthalpy(p) - high.enthalpy(p), one.pressures)  # type: ignore[misc]
        text = f"{found:.1f}" if math.isfinite(found) else f"{'above' if found > 0 else 'below'} the range"
        phases, spent = f"{one.low[0]} to {one.high[0]}", time.process_time() - began
        calls = low.steps + high.steps
        print(f"| {one.compound} | {phases} | {text} | {one.known} | {calls} | {spent:.0f} |", flush=True)


if __name__ == "__main__":
    main()
