"""`AnalogyGenerator`: crystals with a space group, like known ones where there are any, the model's otherwise."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from functools import cached_property

import numpy as np
import torch
from ase import Atoms
from ase.data import chemical_symbols
from ase.formula import Formula

from asegen.crystals.wyckoff import Numbers, SymmetricBatch
from asegen.generation.compositions import Composition
from asegen.generation.plan import Sample
from asegen.generation.sources.symmetric import SymmetricGenerator, finished
from asegen.prototypes.catalogue import Precedent
from asegen.prototypes.volumes import TYPICAL
from asegen.structures.validity import check_atoms
from asegen.symmetry.batches import crystals_of, make_orbits

PRECEDENT, DIFFUSION = "precedent", "diffusion"
"""Where a structure comes from, in `info["source"]`."""
_VOLUME = np.array([0, 0, 0, 0, 0, 1.0])  # of the lattice coordinates, the one that moves with the volume


class AnalogyGenerator(SymmetricGenerator):
    """Draws crystals with a space group by analogy to known ones, and with the model, in turn; used like its parent.

    The first, third, fifth … structure of a formula takes sites, Wyckoff parameters and the shape of the cell from a
    known crystal of the same group and the same numbers of atoms: of each way to fill the group the one with the
    nearest elements, then the next ones (`Catalogue.precedents`). The volume follows from the elements. The other
    structures are the model's, and so is what has no precedent, or sites of the user's. Group and composition are as
    exact, and `info` says besides source ("precedent" or "diffusion"), precedent (the known crystal's formula) and
    precedent_vote (its likeness, 1 for the same elements).

    Arguments are those of `SymmetricGenerator`.
    """

    @cached_property
    def _known_crystals(self) -> dict[tuple[str, int | None], list[Precedent]]:
        """By formula and group, as they are asked for."""
        return {}

    def precedent(self, sample: Sample) -> Precedent | None:
        """The known crystal that a sample is to be like; None where it is the model's."""
        if self.sites is not None or sample.repeat % 2:
            return None
        item = sample.composition
        key = item.formula, item.group or self.group
        if key not in self._known_crystals:
            self._known_crystals[key] = self.catalogue.precedents(Counter(item.numbers), key[1])
        ranked, k = self._known_crystals[key], sample.repeat // 2
        return ranked[k] if k < len(ranked) else None

    def sample(self, batch: Sequence[Sample], seeds: Sequence[int], steps: int | None) -> list[Atoms]:
        """One structure for each sample; arguments as in `Generator.sample`."""
        made = self._by_analogy(batch)
        gaps = [k for k in range(len(batch)) if k not in made]
        if gaps:
            drawn = super().sample([batch[k] for k in gaps], [seeds[k] for k in gaps], steps)
            for k, atoms in zip(gaps, drawn, strict=True):
                atoms.info["source"] = DIFFUSION
                made[k] = atoms
        return [made[k] for k in range(len(batch))]

    def _by_analogy(self, batch: Sequence[Sample]) -> dict[int, Atoms]:
        """Place in the batch -> structure, of those that have a precedent and come out sound."""
        chosen = {k: known for k, sample in enumerate(batch) if (known := self.precedent(sample)) is not None}
        if not chosen:
            return {}
        made = {}
        crystals = substituted([(known, batch[k].composition) for k, known in chosen.items()])
        for (k, known), atoms in zip(chosen.items(), finished(crystals_of(crystals), self.cell), strict=True):
            if "reason" not in atoms.info and check_atoms(atoms) is None:
                atoms.info |= {"source": PRECEDENT, "precedent": _name(known), "precedent_vote": round(known.weight, 6)}
                made[k] = atoms
        return made


def substituted(pairs: Sequence[tuple[Precedent, Composition]]) -> SymmetricBatch:
    """Known crystals with other elements, cells as large as these typically need.

    Args:
        pairs: known crystals, and the compositions whose elements take the place of theirs.

    Returns:
        Float64, sites in the order of the composition's elements.
    """
    ways, places, lattices = [], [], []
    for known, item in pairs:
        group, (letters, old, u, lattice), exchange = known.group, known.example, known.exchange
        order = sorted(range(len(old)), key=lambda k: item.numbers.index(exchange[old[k]]))
        ways.append((group, [(letters[k], exchange[old[k]]) for k in order]))
        places.append(u[order])
        growth = sum(TYPICAL[z] for z in item.numbers) / sum(TYPICAL[z] * n for z, n in known.counts.items())
        lattices.append(lattice + _VOLUME * math.log(growth) / math.sqrt(3))
    numbers = Numbers(torch.from_numpy(np.concatenate(places)), torch.from_numpy(np.stack(lattices)))
    return SymmetricBatch(make_orbits(ways), numbers)


def _name(known: Precedent) -> str:
    symbols = {chemical_symbols[z]: n for z, n in known.counts.items()}
    return str(Formula.from_dict(symbols).reduce()[0].convert("metal"))
