"""Potentials for tests that workers import: crystals without forces, whose atoms are worth what their element says."""

import numpy as np
from ase.calculators.calculator import Calculator, all_changes


class Atomic(Calculator):
    """Of all elements; nothing moves, nothing is bound."""

    implemented_properties = ["energy", "free_energy", "forces", "stress"]  # noqa: RUF012
    identity = "atomic 1"
    energy_scale = "atomic"
    worth = 0.05  # eV per proton

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, list(properties), list(system_changes))
        energy = -self.worth * float(self.atoms.numbers.sum())
        self.results = {
            "energy": energy,
            "free_energy": energy,
            "forces": 0 * self.atoms.positions,
            "stress": np.zeros(6),
        }


class Shifted(Atomic):
    """Another one: the same but for what atoms are worth."""

    identity = "shifted 1"
    energy_scale = "shifted"
    worth = 0.1
