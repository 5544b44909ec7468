"""What can be asked of a crystal: properties that shipped networks predict, and those that follow from its atoms.

A network that is shipped as `alignn-NAME` makes NAME a quantity; nothing has to be written down here for it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from asegen.symmetry.symbols import LAST_GROUP
from asegen.trained.weights import shipped_weights
from asegen.training.registry import PREDICTORS

_NETWORK = "alignn-"
_OF_ATOMS = "SiteMoments"
"""The task of networks that predict numbers of each atom, which no range of a crystal is asked of."""
_UNITS = {
    "band_gap": "eV",
    "bulk_modulus": "GPa",
    "formation_energy": "eV/atom",
    "shear_modulus": "GPa",
}
_MAY_BE_NEGATIVE = frozenset({"formation_energy"})
METAL, SPACE_GROUP = "metal", "spacegroup"
"""A quantity that is asked for by yes or no, and one that has symbols beside its numbers."""


@dataclass(frozen=True)
class Quantity:
    """A property of a crystal.

    Attributes:
        name: such as "band_gap".
        unit: such as "eV"; empty where there is none.
        least: that it can be.
        most: that it can be.
        is_whole: whether it is a whole number.
        model: the shipped network that predicts it; empty where it follows from the atoms.
    """

    name: str
    unit: str = ""
    least: float = -math.inf
    most: float = math.inf
    is_whole: bool = False
    model: str = ""


_COMPUTED = (
    Quantity("density", "g/cm³", 0.0),
    Quantity("volume_per_atom", "Å³", 0.0),
    Quantity("n_atoms", "", 1, is_whole=True),
    Quantity("n_elements", "", 1, 118, is_whole=True),
    Quantity(SPACE_GROUP, "", 1, LAST_GROUP, is_whole=True),
    Quantity("price", "USD/kg", 0.0),
    Quantity("hhi", "", 0.0, 10_000.0),
)


@cache
def quantities() -> Mapping[str, Quantity]:
    """All quantities by name: those that follow from the atoms, then those that shipped networks predict.

    `n_atoms` counts the given cell, `spacegroup` is spglib's within 0.1 Å, `price` that of the elements as pymatgen's
    table has it, mixed so that it is lowest, and `hhi` the Herfindahl-Hirschman index of the elements' reserves, by
    weight (Gaultois et al., Chem. Mater. 25, 2911 (2013)): 10,000 where one country has them all.
    """
    found = {quantity.name: quantity for quantity in _COMPUTED}
    for model in shipped_weights(*(task for task in PREDICTORS if task != _OF_ATOMS)):
        name = model.removeprefix(_NETWORK).replace("-", "_")
        if model.startswith(_NETWORK) and name not in found:
            found[name] = _predicted(name, model)
    return found


def _predicted(name: str, model: str) -> Quantity:
    if name == METAL:
        return Quantity(name, "", 0.0, 1.0, model=model)
    least = -math.inf if name in _MAY_BE_NEGATIVE else 0.0
    return Quantity(name, _UNITS.get(name, ""), least, model=model)
