"""Where the ground states that everyone knows are among the first structures of their formulas.

    python examples/studies/textbook.py
    python examples/studies/textbook.py --formulas TiO2 Fe2O3 --method hybrid --rank chgnet

The ground states are written down from textbooks: space group, lattice constants (Å, °), positions; of groups with two
origins pymatgen takes the first. Printed are the places at which StructureMatcher finds the ground state, the error of
its volume against experiment, how many of the structures have less than 0.6 times the density of the ground state, and
seconds of processor time.
"""

from __future__ import annotations

import argparse
import time
from typing import NamedTuple

import numpy as np
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Lattice, Structure
from pymatgen.io.ase import AseAtomsAdaptor

from asegen.calculators import Generator, Ranking, open_source

Numbers = tuple[float, float, float]
Shape = tuple[float, float, float, float, float, float]
Sites = tuple[tuple[str, Numbers], ...]


class Known(NamedTuple):
    """A known ground state.

    Attributes:
        group: symbol of the space group, in a setting that pymatgen has.
        lattice: a, b, c in Å and the three angles in degrees.
        sites: symbol and fractional position of each.
    """

    group: str
    lattice: Shape
    sites: Sites

    @property
    def structure(self) -> Structure:
        """The crystal, in its primitive cell."""
        symbols, places = [s for s, _ in self.sites], [list(place) for _, place in self.sites]
        lattice = Lattice.from_parameters(*self.lattice)
        return Structure.from_spacegroup(self.group, lattice, symbols, places).get_primitive_structure()


def cubic(a: float) -> Shape:
    """A cubic lattice, Å."""
    return a, a, a, 90, 90, 90


def hexagonal(a: float, c: float) -> Shape:
    """A hexagonal lattice, Å."""
    return a, a, c, 90, 90, 120


def right(a: float, b: float, c: float) -> Shape:
    """An orthorhombic lattice, Å; a tetragonal one where a is b."""
    return a, b, c, 90, 90, 90


_O, _H, _E, _T = (0.0, 0.0, 0.0), (0.5, 0.5, 0.5), (0.625, 0.625, 0.625), (1 / 3, 2 / 3, 0.25)
_Q = (0.25, 0.25, 0.25)
KNOWN = {
    "Si": Known("Fd-3m", cubic(5.431), (("Si", _O),)),
    "C": Known("Fd-3m", cubic(3.567), (("C", _O),)),
    "Ge": Known("Fd-3m", cubic(5.658), (("Ge", _O),)),
    "GaAs": Known("F-43m", cubic(5.653), (("Ga", _O), ("As", _Q))),
    "GaN": Known("P6_3mc", hexagonal(3.189, 5.185), (("Ga", (1 / 3, 2 / 3, 0)), ("N", (1 / 3, 2 / 3, 0.377)))),
    "ZnO": Known("P6_3mc", hexagonal(3.250, 5.207), (("Zn", (1 / 3, 2 / 3, 0)), ("O", (1 / 3, 2 / 3, 0.382)))),
    "NaCl": Known("Fm-3m", cubic(5.640), (("Na", _O), ("Cl", _H))),
    "CsCl": Known("Pm-3m", cubic(4.123), (("Cs", _O), ("Cl", _H))),
    "MgO": Known("Fm-3m", cubic(4.212), (("Mg", _O), ("O", _H))),
    "CaF2": Known("Fm-3m", cubic(5.463), (("Ca", _O), ("F", _Q))),
    "TiO2": Known("P4_2/mnm", right(4.594, 4.594, 2.959), (("Ti", _O), ("O", (0.305, 0.305, 0)))),
    "SnO2": Known("P4_2/mnm", right(4.737, 4.737, 3.186), (("Sn", _O), ("O", (0.306, 0.306, 0)))),
    "Al2O3": Known("R-3c", hexagonal(4.759, 12.991), (("Al", (0, 0, 0.352)), ("O", (0.306, 0, 0.25)))),
    "Fe2O3": Known("R-3c", hexagonal(5.036, 13.749), (("Fe", (0, 0, 0.355)), ("O", (0.306, 0, 0.25)))),
    "SrTiO3": Known("Pm-3m", cubic(3.905), (("Sr", _O), ("Ti", _H), ("O", (0.5, 0.5, 0)))),
    "BaTiO3": Known(
        "P4mm",
        right(3.994, 3.994, 4.034),
        (("Ba", _O), ("Ti", (0.5, 0.5, 0.515)), ("O", (0.5, 0.5, 0.975)), ("O", (0.5, 0, 0.485))),
    ),
    "CaCO3": Known("R-3c", hexagonal(4.990, 17.061), (("Ca", _O), ("C", (0, 0, 0.25)), ("O", (0.257, 0, 0.25)))),
    "MgSiO3": Known(
        "Pbnm",
        right(4.777, 4.927, 6.898),
        (
            ("Mg", (0.5141, 0.5560, 0.25)),
            ("Si", (0.5, 0, 0.5)),
            ("O", (0.1028, 0.4660, 0.25)),
            ("O", (0.1961, 0.2014, 0.5531)),
        ),
    ),
    "ZrO2": Known(
        "P2_1/c",
        (5.150, 5.212, 5.317, 90, 99.23, 90),
        (("Zr", (0.2754, 0.0395, 0.2083)), ("O", (0.0700, 0.3317, 0.3447)), ("O", (0.4496, 0.7569, 0.4792))),
    ),
    "MoS2": Known("P6_3/mmc", hexagonal(3.160, 12.295), (("Mo", _T), ("S", (1 / 3, 2 / 3, 0.621)))),
    "Bi2Te3": Known("R-3m", hexagonal(4.386, 30.50), (("Bi", (0, 0, 0.400)), ("Te", _O), ("Te", (0, 0, 0.2095)))),
    "Mg2SiO4": Known(
        "Pbnm",
        right(4.754, 10.197, 5.981),
        (
            ("Mg", _O),
            ("Mg", (0.9915, 0.2774, 0.25)),
            ("Si", (0.4262, 0.0940, 0.25)),
            ("O", (0.7657, 0.0913, 0.25)),
            ("O", (0.2215, 0.4474, 0.25)),
            ("O", (0.2777, 0.1628, 0.0331)),
        ),
    ),
    "LiFePO4": Known(
        "Pnma",
        right(10.329, 6.007, 4.691),
        (
            ("Li", _O),
            ("Fe", (0.2822, 0.25, 0.9747)),
            ("P", (0.0948, 0.25, 0.4182)),
            ("O", (0.0968, 0.25, 0.7428)),
            ("O", (0.4571, 0.25, 0.2060)),
            ("O", (0.1656, 0.0465, 0.2848)),
        ),
    ),
    "LiCoO2": Known("R-3m", hexagonal(2.816, 14.054), (("Li", (0, 0, 0.5)), ("Co", _O), ("O", (0, 0, 0.2605)))),
    "Cu2O": Known("Pn-3m", cubic(4.270), (("O", _O), ("Cu", _Q))),
    "FeS2": Known("Pa-3", cubic(5.418), (("Fe", _O), ("S", (0.385, 0.385, 0.385)))),
    "NiAs": Known("P6_3/mmc", hexagonal(3.619, 5.034), (("Ni", _O), ("As", _T))),
    "Li3N": Known("P6/mmm", hexagonal(3.648, 3.875), (("N", _O), ("Li", (0, 0, 0.5)), ("Li", (1 / 3, 2 / 3, 0)))),
    "MgAl2O4": Known("Fd-3m", cubic(8.083), (("Mg", _O), ("Al", _E), ("O", (0.3874, 0.3874, 0.3874)))),
    "YBa2Cu3O7": Known(
        "Pmmm",
        right(3.823, 3.886, 11.681),
        (
            ("Y", _H),
            ("Ba", (0.5, 0.5, 0.1843)),
            ("Cu", _O),
            ("Cu", (0, 0, 0.3556)),
            ("O", (0, 0.5, 0)),
            ("O", (0.5, 0, 0.3773)),
            ("O", (0, 0.5, 0.3789)),
            ("O", (0, 0, 0.1584)),
        ),
    ),
}
"""Formula -> its ground state at ambient pressure; of carbon diamond, of MgSiO3 the perovskite."""


def measure(formula: str, generator: Generator, n: int) -> tuple[list[int], list[float], int]:
    """Places of the ground state, errors of its volumes there as shares, and structures of low density."""
    truth, matcher = KNOWN[formula].structure, StructureMatcher()
    structures = [AseAtomsAdaptor.get_structure(atoms) for atoms in generator.generate(formula, n=n)]
    ratios = [len(truth) / truth.volume * one.volume / len(one) for one in structures]
    places = [k for k, one in enumerate(structures) if matcher.fit(one, truth)]
    return [k + 1 for k in places], [ratios[k] - 1 for k in places], int((np.array(ratios) > 1 / 0.6).sum())


def main() -> None:
    """Prints a row for each formula."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--formulas", nargs="+", default=["Si", "NaCl"], metavar="F", help="or all")
    parser.add_argument("--method", default="template")
    parser.add_argument("--rank")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("-n", type=int, default=8)
    args = parser.parse_args()
    source = open_source(args.method, device="cpu", quick=args.quick or args.rank is not None)
    generator = Generator(source, rank=None if args.rank is None else Ranking(args.rank, device="cpu"), device="cpu")
    formulas = list(KNOWN) if args.formulas == ["all"] else args.formulas
    found = low = 0
    print("| | place | error of the volume, % | low density | s |\n| --- | --- | --- | --- | --- |")
    for formula in formulas:
        begun = time.process_time()
        places, errors, own_low = measure(formula, generator, args.n)
        found, low = found + bool(places), low + own_low
        cells = [", ".join(map(str, places)), ", ".join(f"{100 * e:+.1f}" for e in errors), str(own_low)]
        print(f"| {formula} | {' | '.join(cells)} | {time.process_time() - begun:.1f} |", flush=True)
    print(f"\n{found} of {len(formulas)} found, {low} structures of low density")


if __name__ == "__main__":
    main()
