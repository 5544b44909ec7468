"""Plain tables of the elements, by atomic number; entry 0 stands for no element.

Periods and columns follow from the lengths of the periods; radii, electronegativities and ionisation energies are
literature values, as ASE and pymatgen hold them too (a test compares them).
"""

from __future__ import annotations

from itertools import pairwise

LAST = 103
"""The last element that the tables cover, lawrencium."""

ATOMIC_NUMBERS = 119
"""How many there are: 0, which is no element's, to 118."""

_PERIOD_STARTS = (1, 3, 11, 19, 37, 55, 87, ATOMIC_NUMBERS)

COVALENT_RADIUS: tuple[float, ...] = (
    0.0,
    0.31, 0.28, 1.28, 0.96, 0.84, 0.73, 0.71, 0.66, 0.57, 0.58, 1.66, 1.41, 1.21, 1.11, 1.07, 1.05, 1.02, 1.06, 2.03,
    1.76, 1.70, 1.60, 1.53, 1.39, 1.50, 1.42, 1.38, 1.24, 1.32, 1.22, 1.22, 1.20, 1.19, 1.20, 1.20, 1.16, 2.20, 1.95,
    1.90, 1.75, 1.64, 1.54, 1.47, 1.46, 1.42, 1.39, 1.45, 1.44, 1.42, 1.39, 1.39, 1.38, 1.39, 1.40, 2.44, 2.15, 2.07,
    2.04, 2.03, 2.01, 1.99, 1.98, 1.98, 1.96, 1.94, 1.92, 1.92, 1.89, 1.90, 1.87, 1.87, 1.75, 1.70, 1.62, 1.51, 1.44,
    1.41, 1.36, 1.36, 1.32, 1.45, 1.46, 1.48, 1.40, 1.50, 1.50, 2.60, 2.21, 2.15, 2.06, 2.00, 1.96, 1.90, 1.87, 1.80,
    1.69,
    1.69, 1.69, 1.69, 1.69, 1.69, 1.69, 1.69,
)  # fmt: skip
"""Å. Cordero et al., Dalton Trans. 2008, 2832: carbon sp²; Mn, Fe and Co midway between low and high spin (as pymatgen
takes them); the seven elements after curium, not measured, have curium's."""

ELECTRONEGATIVITY: tuple[float, ...] = (
    0.0,
    2.20, 0.00, 0.98, 1.57, 2.04, 2.55, 3.04, 3.44, 3.98, 0.00, 0.93, 1.31, 1.61, 1.90, 2.19, 2.58, 3.16, 0.00, 0.82,
    1.00, 1.36, 1.54, 1.63, 1.66, 1.55, 1.83, 1.88, 1.91, 1.90, 1.65, 1.81, 2.01, 2.18, 2.55, 2.96, 3.00, 0.82, 0.95,
    1.22, 1.33, 1.60, 2.16, 1.90, 2.20, 2.28, 2.20, 1.93, 1.69, 1.78, 1.96, 2.05, 2.10, 2.66, 2.60, 0.79, 0.89, 1.10,
    1.12, 1.13, 1.14, 1.13, 1.17, 1.20, 1.20, 1.10, 1.22, 1.23, 1.24, 1.25, 1.10, 1.27, 1.30, 1.50, 2.36, 1.90, 2.20,
    2.20, 2.28, 2.54, 2.00, 1.62, 2.33, 2.02, 2.00, 2.20, 2.20, 0.70, 0.90, 1.10, 1.30, 1.50, 1.38, 1.36, 1.28, 1.30,
    1.30, 1.30, 1.30, 1.30, 1.30, 1.30, 1.30, 1.30,
)  # fmt: skip
"""Pauling's scale; 0 where there is none (He, Ne, Ar)."""

IONISATION_ENERGY: tuple[float, ...] = (
    0.0,
    13.60, 24.59, 5.39, 9.32, 8.30, 11.26, 14.53, 13.62, 17.42, 21.56, 5.14, 7.65, 5.99, 8.15, 10.49, 10.36, 12.97,
    15.76, 4.34, 6.11, 6.56, 6.83, 6.75, 6.77, 7.43, 7.90, 7.88, 7.64, 7.73, 9.39, 6.00, 7.90, 9.79, 9.75, 11.81,
    14.00, 4.18, 5.69, 6.22, 6.63, 6.76, 7.09, 7.12, 7.36, 7.46, 8.34, 7.58, 8.99, 5.79, 7.34, 8.61, 9.01, 10.45,
    12.13, 3.89, 5.21, 5.58, 5.54, 5.47, 5.53, 5.58, 5.64, 5.67, 6.15, 5.86, 5.94, 6.02, 6.11, 6.18, 6.25, 5.43, 6.83,
    7.55, 7.86, 7.83, 8.44, 8.97, 8.96, 9.23, 10.44, 6.11, 7.42, 7.29, 8.42, 9.32, 10.75, 4.07, 5.28, 5.38, 6.31,
    5.89, 6.19, 6.27, 6.03, 5.97, 5.99, 6.20, 6.28, 6.37, 6.50, 6.58, 6.63, 4.96,
)  # fmt: skip
"""eV, of the first electron (NIST Atomic Spectra Database)."""
MENDELEEV: tuple[int, ...] = (
    0,
    103, 1, 12, 77, 86, 95, 100, 101, 102, 2, 11, 73, 80, 85, 90, 94, 99, 3, 10, 16, 19, 51, 54, 57, 60, 61, 64, 67,
    72, 76, 81, 84, 89, 93, 98, 4, 9, 15, 25, 49, 53, 56, 59, 62, 65, 69, 71, 75, 79, 83, 88, 92, 97, 5, 8, 14, 33,
    32, 31, 30, 29, 28, 18, 27, 26, 24, 23, 22, 21, 17, 20, 50, 52, 55, 58, 63, 66, 68, 70, 74, 78, 82, 87, 91, 96,
    6, 7, 13, 48, 47, 46, 45, 44, 43, 42, 41, 40, 39, 38, 37, 36, 35, 34,
)  # fmt: skip
"""Places in the string of elements that Pettifor drew through the table (J. Phys. C 19, 285 (1986)): neighbours are
alike in compounds."""

TYPICAL_VOLUME: tuple[float, ...] = (
    0.0,
    7.4, 13.1, 14.1, 7.8, 6.7, 13.6, 10.8, 8.2, 10.7, 13.6, 24.7, 23.0, 17.3, 15.9, 19.5, 23.1, 30.7, 45.0,
    52.4, 29.6, 19.8, 14.5, 16.2, 10.2, 11.6, 10.0, 9.2, 8.8, 16.5, 16.0, 18.2, 19.3, 21.7, 27.7, 37.6, 47.0,
    67.7, 35.4, 27.5, 20.0, 16.0, 18.1, 14.8, 12.0, 11.9, 14.3, 19.3, 24.3, 26.4, 27.8, 29.1, 36.2, 50.4, 68.2,
    63.7, 44.9, 32.3, 28.1, 31.3, 30.4, 32.5, 28.9, 33.2, 26.0, 27.1, 26.2, 27.9, 25.6, 25.5, 28.3, 24.2, 18.6,
    16.5, 19.8, 17.5, 13.0, 12.8, 14.7, 18.6, 29.0, 33.4, 33.4, 34.5, 20.1, 21.7, 21.7, 58.0, 40.6, 44.5, 31.0,
    22.9, 22.1, 21.2, 23.0, 28.0, 25.4, 25.4, 25.4, 25.4, 25.4, 25.4, 25.4, 25.4,
)  # fmt: skip
"""Å³ per atom in crystals: the fit of `asegen.prototypes.volumes.VolumeRule` to 17,629 crystals of the training
splits of the Materials Project (MP-20 and MPTS-52). The 16 elements that don't occur there follow a straight line in
the cube of the covalent radius, through the others."""


def period(z: int) -> int:
    """Period of an element, 1 to 7."""
    return next(row for row, (first, after) in enumerate(pairwise(_PERIOD_STARTS), 1) if first <= z < after)


def column(z: int) -> int:
    """Column of an element in the table of 18; La to Yb and Ac to No count as 3."""
    first, after = next((first, after) for first, after in pairwise(_PERIOD_STARTS) if first <= z < after)
    place, length = z - first, after - first
    if z == 2:
        return 18
    if place < 2:
        return place + 1
    return max(18 - (after - 1 - z), 3) if length > 8 else 18 - (length - 1 - place)


def wide_group(z: int) -> int:
    """Group in the table of 32, 1 to 32, with the f block between columns 2 and 3."""
    if 57 <= z <= 70:
        return z - 54
    if 89 <= z <= 102:
        return z - 86
    return column(z) if column(z) <= 2 else column(z) + 14
