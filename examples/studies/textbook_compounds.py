"""Crystals that everyone knows, written down from textbooks: `catalogue.py` adds them to the catalogue of the package.

    python examples/studies/textbook_compounds.py

Printed are, of each, the space group that spglib finds, its density and the shortest distances, to be compared with
tables. Space groups are in the settings that pymatgen has, of those with two origins in the first; rhombohedral ones
have hexagonal axes. Sources are the original refinements as textbooks quote them, at room temperature where the crystal
exists there.
"""

from __future__ import annotations

import math

from pymatgen.symmetry.analyzer import SpacegroupAnalyzer
from textbook import KNOWN, Known, Numbers, Shape, Sites, cubic, hexagonal, right

_O, _H, _Q, _W = (0.0, 0.0, 0.0), (0.5, 0.5, 0.5), (0.25, 0.25, 0.25), (1 / 3, 2 / 3, 0.0)


def _corundum(metal: str, a: float, c: float, z: float, x: float) -> Known:
    return Known("R-3c", hexagonal(a, c), ((metal, (0, 0, z)), ("O", (x, 0, 0.25))))


def _calcite(metal: str, a: float, c: float, x: float) -> Known:
    return Known("R-3c", hexagonal(a, c), ((metal, _O), ("C", (0, 0, 0.25)), ("O", (x, 0, 0.25))))


def _rock_salt(metal: str, anion: str, a: float) -> Known:
    return Known("Fm-3m", cubic(a), ((metal, _O), (anion, _H)))


def _zinc_blende(metal: str, anion: str, a: float) -> Known:
    return Known("F-43m", cubic(a), ((metal, _O), (anion, _Q)))


def _wurtzite(metal: str, anion: str, a: float, c: float, u: float) -> Known:
    return Known("P6_3mc", hexagonal(a, c), ((metal, _W), (anion, (1 / 3, 2 / 3, u))))


def _fluorite(metal: str, a: float) -> Known:
    return Known("Fm-3m", cubic(a), ((metal, _O), ("O", _Q)))


def _rutile(metal: str, a: float, c: float, x: float) -> Known:
    return Known("P4_2/mnm", right(a, a, c), ((metal, _O), ("O", (x, x, 0))))


def _molybdenite(metal: str, anion: str, a: float, c: float, z: float) -> Known:
    return Known("P6_3/mmc", hexagonal(a, c), ((metal, (1 / 3, 2 / 3, 0.25)), (anion, (1 / 3, 2 / 3, z))))


def _grey(symbol: str, a: float, c: float, z: float) -> Known:
    return Known("R-3m", hexagonal(a, c), ((symbol, (0, 0, z)),))


def _chains(symbol: str, a: float, c: float, x: float) -> Known:
    return Known("P3_121", hexagonal(a, c), ((symbol, (x, 0, 1 / 3)),))


def _molecules(symbol: str, a: float, b: float, c: float, y: float, z: float) -> Known:
    return Known("Cmce", right(a, b, c), ((symbol, (0, y, z)),))


def _rhombohedral_axes(a: float, alpha: float) -> Shape:
    """The hexagonal lattice of a rhombohedral one, Å and degrees."""
    cosine = math.cos(math.radians(alpha))
    return hexagonal(2 * a * math.sin(math.radians(alpha / 2)), a * math.sqrt(3 + 6 * cosine))


def _rhombohedral(x: float, z: float) -> Numbers:
    """The hexagonal coordinates of (x, x, z) on rhombohedral axes."""
    return (x - z) / 3, 2 * (x - z) / 3, (2 * x + z) / 3


def _rhombohedral_perovskite(a_site: str, metal: str, a: float, alpha: float, at: float, x: float, z: float) -> Known:
    sites = ((a_site, _O), (metal, (0, 0, at)), ("O", _rhombohedral(x, z)))
    return Known("R3m", _rhombohedral_axes(a, alpha), sites)


def _tetragonal_perovskite(metals: tuple[str, str], a: float, c: float, at: float, apex: float, side: float) -> Known:
    places = ((metals[0], _O), (metals[1], (0.5, 0.5, at)), ("O", (0.5, 0.5, apex)), ("O", (0.5, 0, side)))
    return Known("P4mm", right(a, a, c), places)


def _in_p21n(lattice: Shape, sites: Sites) -> Known:
    """A crystal in P2_1/n, a setting of P2_1/c that pymatgen doesn't have: all atoms of the cell in P1."""
    found = []
    for symbol, (x, y, z) in sites:
        halves = (x + 0.5, 0.5 - y, z + 0.5), (0.5 - x, y + 0.5, 0.5 - z)
        found += [(symbol, place) for place in ((x, y, z), (-x, -y, -z), *halves)]
    return Known("P1", lattice, tuple(found))


TEXTBOOK = (
    _corundum("Al", 4.759, 12.991, 0.3522, 0.3063),
    _corundum("Cr", 4.958, 13.594, 0.3475, 0.3053),
    _corundum("Fe", 5.036, 13.749, 0.3553, 0.3059),
    _corundum("V", 4.952, 14.003, 0.3463, 0.3118),
    _corundum("Ti", 5.158, 13.611, 0.3447, 0.3126),
    _calcite("Ca", 4.990, 17.061, 0.2570),
    _calcite("Mg", 4.633, 15.013, 0.2778),
    KNOWN["Mg2SiO4"],
    _rock_salt("Fe", "O", 4.326),
    _rock_salt("Mn", "O", 4.445),
    _rock_salt("Co", "O", 4.260),
    _rock_salt("Ni", "O", 4.177),
    _rock_salt("Ti", "O", 4.180),
    _rock_salt("V", "O", 4.093),
    _rock_salt("Ag", "Cl", 5.549),
    _rock_salt("Ag", "Br", 5.775),
    Known("C2/c", (4.684, 3.423, 5.129, 90, 99.54, 90), (("Cu", (0.25, 0.25, 0)), ("O", (0, 0.4184, 0.25)))),
    KNOWN["Cu2O"],
    _wurtzite("Be", "O", 2.698, 4.377, 0.378),
    _wurtzite("Zn", "O", 3.250, 5.207, 0.382),
    _wurtzite("Al", "N", 3.112, 4.982, 0.382),
    _wurtzite("Ga", "N", 3.189, 5.185, 0.377),
    _wurtzite("In", "N", 3.538, 5.703, 0.379),
    _wurtzite("Zn", "S", 3.823, 6.261, 0.375),
    _wurtzite("Cd", "S", 4.137, 6.716, 0.377),
    _wurtzite("Cd", "Se", 4.299, 7.010, 0.376),
    _wurtzite("Ag", "I", 4.592, 7.510, 0.375),
    _zinc_blende("Cd", "Te", 6.482),
    _zinc_blende("Zn", "Te", 6.103),
    _zinc_blende("Hg", "Te", 6.461),
    _zinc_blende("Be", "Te", 5.622),
    _zinc_blende("Cu", "Cl", 5.416),
    _zinc_blende("Cu", "Br", 5.690),
    _zinc_blende("Cu", "I", 6.051),
    _zinc_blende("Ag", "I", 6.495),
    Known("P-6m2", hexagonal(2.906, 2.837), (("W", _O), ("C", (1 / 3, 2 / 3, 0.5)))),
    _molybdenite("Mo", "S", 3.160, 12.295, 0.621),
    _molybdenite("W", "S", 3.153, 12.323, 0.6225),
    _molybdenite("Mo", "Se", 3.289, 12.927, 0.621),
    _tetragonal_perovskite(("Pb", "Ti"), 3.904, 4.152, 0.5377, 0.1118, 0.6174),
    _tetragonal_perovskite(("Ba", "Ti"), 3.994, 4.034, 0.515, 0.975, 0.485),
    _rhombohedral_perovskite("Ba", "Ti", 4.004, 89.84, 0.4872, 0.5109, 0.0193),
    _rhombohedral_perovskite("K", "Nb", 4.016, 89.82, 0.4888, 0.5183, 0.0196),
    Known(
        "Amm2",
        right(3.984, 5.674, 5.692),
        (("Ba", _O), ("Ti", (0.5, 0, 0.5170)), ("O", (0, 0, 0.4890)), ("O", (0.5, 0.2561, 0.2343))),
    ),
    Known(
        "Amm2",
        right(3.973, 5.695, 5.721),
        (("K", (0, 0, 0.0138)), ("Nb", (0.5, 0, 0.5)), ("O", (0, 0, 0.5364)), ("O", (0.5, 0.2480, 0.2843))),
    ),
    _in_p21n(
        (7.306, 7.540, 7.692, 90, 90.88, 90),
        (
            ("W", (0.2528, 0.0260, 0.2855)),
            ("W", (0.2497, 0.0344, 0.7806)),
            ("O", (0.0003, 0.0337, 0.2122)),
            ("O", (0.9983, 0.4634, 0.2186)),
            ("O", (0.2838, 0.2605, 0.2850)),
            ("O", (0.2080, 0.2588, 0.7332)),
            ("O", (0.2856, 0.0383, 0.0046)),
            ("O", (0.2841, 0.4840, 0.9944)),
        ),
    ),
    Known(
        "Pbnm",
        right(3.963, 13.855, 3.696),
        (
            ("Mo", (0.0867, 0.1016, 0.25)),
            ("O", (0.4994, 0.4351, 0.25)),
            ("O", (0.5212, 0.0866, 0.25)),
            ("O", (0.0373, 0.2214, 0.25)),
        ),
    ),
    _fluorite("Th", 5.597),
    _fluorite("U", 5.470),
    _fluorite("Ce", 5.411),
    _rutile("Ti", 4.594, 2.959, 0.305),
    _rutile("Sn", 4.737, 3.186, 0.306),
    Known("I4_1/amd", right(3.785, 3.785, 9.514), (("Ti", _O), ("O", (0, 0, 0.2081)))),
    Known(
        "Pbca",
        right(9.184, 5.447, 5.145),
        (("Ti", (0.1289, 0.0972, 0.8628)), ("O", (0.0095, 0.1491, 0.1835)), ("O", (0.2314, 0.1110, 0.5366))),
    ),
    Known("P3_121", hexagonal(4.913, 5.405), (("Si", (0.4697, 0, 1 / 3)), ("O", (0.4135, 0.2669, 1 / 3 - 0.1191)))),
    _chains("Te", 4.458, 5.925, 0.2636),
    _chains("Se", 4.368, 4.958, 0.2254),
    _grey("As", 3.760, 10.547, 0.2271),
    _grey("Sb", 4.308, 11.274, 0.2335),
    _grey("Bi", 4.546, 11.862, 0.2339),
    Known("Fd-3m", cubic(6.489), (("Sn", _O),)),
    Known("I4_1/amd", right(5.831, 5.831, 3.182), (("Sn", _O),)),
    Known(
        "I-43m",
        cubic(8.912),
        (
            ("Mn", _O),
            ("Mn", (0.317, 0.317, 0.317)),
            ("Mn", (0.357, 0.357, 0.034)),
            ("Mn", (0.089, 0.089, 0.282)),
        ),
    ),
    Known("Cmcm", right(2.854, 5.870, 4.955), (("U", (0, 0.1025, 0.25)),)),
    Known(
        "R-3m",
        _rhombohedral_axes(5.057, 58.06),
        (("B", _rhombohedral(0.0104, 0.6573)), ("B", _rhombohedral(0.2206, 0.6323))),
    ),
    _molecules("I", 7.136, 4.686, 9.784, 0.1543, 0.1174),
    _molecules("Cl", 6.145, 4.395, 8.154, 0.1173, 0.1016),
    _molecules("Ga", 4.520, 7.663, 4.526, 0.1539, 0.0810),
    _molecules("P", 3.3133, 10.473, 4.374, 0.1017, 0.0806),
    Known("P6_3/mmc", hexagonal(2.464, 6.711), (("C", (0, 0, 0.25)), ("C", (1 / 3, 2 / 3, 0.25)))),
)
"""Ground states, and well-known phases beside them: anatase, brookite, the ferroelectrics by temperature."""


def main() -> None:
    """Prints a row for each."""
    print("| | group | as written | atoms | g/cm³ | shortest distances, Å |\n| --- | --- | --- | --- | --- | --- |")
    for known in TEXTBOOK:
        one = known.structure
        found = SpacegroupAnalyzer(one, 0.01).get_space_group_symbol()
        pairs: dict[str, list[float]] = {}
        for i, j, _, away in zip(*one.get_neighbor_list(3.6), strict=True):
            pairs.setdefault("–".join(sorted((one[i].specie.symbol, one[j].specie.symbol))), []).append(away)
        near = ", ".join(f"{pair} {min(own):.2f}" for pair, own in sorted(pairs.items()))
        formula = one.composition.reduced_formula
        print(f"| {formula} | {found} | {known.group} | {len(one)} | {one.density:.2f} | {near} |")


if __name__ == "__main__":
    main()
