"""`Analogy`: crystals with a space group, like known ones where there are any, a model's otherwise."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from ase import Atoms
from ase.data import chemical_symbols
from ase.formula import Formula

from asegen.crystals.symmetric_batch import SymmetricBatch
from asegen.crystals.wyckoff import Numbers
from asegen.elements import TYPICAL_VOLUME
from asegen.generation.finishing import finished
from asegen.generation.plan import Sample
from asegen.generation.source import Source
from asegen.generation.sources.symmetric import Symmetric
from asegen.generation.target import Target
from asegen.prototypes.catalogue import Precedent
from asegen.structures.validity import check_atoms
from asegen.symmetry.batches import crystals_of, make_orbits

PRECEDENT, DIFFUSION = "precedent", "diffusion"
"""Where a structure comes from, in `info["source"]`."""
_VOLUME = np.array([0, 0, 0, 0, 0, 1.0])  # of the lattice coordinates, the one that moves with the volume


class Analogy(Source):
    """Draws crystals with a space group by analogy to known ones, and with a model, in turn.

    The first, third, fifth … structure of a formula takes sites, Wyckoff parameters and the shape of the cell from a
    known crystal of the same group and the same numbers of atoms: of each assignment of sites the one with the nearest
    elements, then the next ones (`Catalogue.precedents`). The volume follows from the elements. The other structures
    are those of `Symmetric`, and so is what has no precedent, or sites of the user's. Group and composition are as
    exact, and `info` says besides source ("precedent" or "diffusion"), precedent (the known crystal's formula) and
    precedent_vote (its likeness, 1 for the same elements).

    Args:
        cell: see `Symmetric`, as all below.
        known: a catalogue of known crystals.
        model: weights.
        device: where the model computes.
        quick: one rough trajectory per structure that the model draws.

    Raises:
        InputError: no such cell, model or device.
        CheckpointError: weights or a catalogue that can't be read.
    """

    always_redraws = True
    keeps_spacegroup = True

    def __init__(
        self,
        cell: str = "primitive",
        known: Path | None = None,
        model: str | None = None,
        device: str = "auto",
        quick: bool = False,
    ) -> None:
        self.symmetric = Symmetric(cell, known, model, device, quick)
        self.identity = self.symmetric.identity
        self._ranked: dict[tuple[str, int | None], list[Precedent]] = {}

    def settings(self) -> dict[str, object]:
        """As of `Symmetric`."""
        return self.symmetric.settings()

    def compose(self, targets: Sequence[Target]) -> list[Target]:
        """As of `Symmetric`."""
        return self.symmetric.compose(targets)

    def unit_votes(self, target: Target) -> Mapping[int, float]:
        """Those of known crystals, of the target's group if it has one."""
        return self.symmetric.unit_votes(target)

    def check(self, targets: Sequence[Target], force: bool) -> None:
        """As of `Symmetric`."""
        self.symmetric.check(targets, force)

    def precedent(self, sample: Sample) -> Precedent | None:
        """The known crystal that a sample is to be like; None where it is the model's."""
        target = sample.target
        if target.sites is not None or sample.repeat % 2:
            return None
        key = target.formula, target.spacegroup
        if key not in self._ranked:
            catalogue = self.symmetric.assignments.catalogue
            self._ranked[key] = catalogue.precedents(Counter(target.numbers), target.spacegroup)
        ranked, k = self._ranked[key], sample.repeat // 2
        return ranked[k] if k < len(ranked) else None

    def propose(self, samples: Sequence[Sample], seeds: Sequence[int], steps: int | None) -> list[Atoms]:
        """One structure for each sample, see `Source.propose`."""
        made = self._by_analogy(samples)
        gaps = [k for k in range(len(samples)) if k not in made]
        if gaps:
            drawn = self.symmetric.propose([samples[k] for k in gaps], [seeds[k] for k in gaps], steps)
            for k, atoms in zip(gaps, drawn, strict=True):
                atoms.info["source"] = DIFFUSION
                made[k] = atoms
        return [made[k] for k in range(len(samples))]

    def _by_analogy(self, samples: Sequence[Sample]) -> dict[int, Atoms]:
        """Place among the samples -> structure, of those that have a precedent and come out sound."""
        chosen = {k: known for k, sample in enumerate(samples) if (known := self.precedent(sample)) is not None}
        if not chosen:
            return {}
        made = {}
        crystals = substituted([(known, samples[k].target.numbers) for k, known in chosen.items()])
        structures = finished(crystals_of(crystals), self.symmetric.cell)
        for (k, known), atoms in zip(chosen.items(), structures, strict=True):
            if "reason" not in atoms.info and check_atoms(atoms) is None:
                atoms.info |= {"source": PRECEDENT, "precedent": _name(known), "precedent_vote": round(known.weight, 6)}
                made[k] = atoms
        return made


def substituted(pairs: Sequence[tuple[Precedent, tuple[int, ...]]]) -> SymmetricBatch:
    """Known crystals with other elements, cells as large as these typically need.

    Args:
        pairs: known crystals, and the atomic numbers (n_atoms,) of the compositions that take their places.

    Returns:
        Float64, sites in the order of the composition's elements.
    """
    sites, places, lattices = [], [], []
    for known, numbers in pairs:
        group, (letters, old, u, lattice, *_), exchange = known.group, known.example, known.exchange
        order = sorted(range(len(old)), key=lambda k: numbers.index(exchange[old[k]]))
        sites.append((group, [(letters[k], exchange[old[k]]) for k in order]))
        places.append(u[order])
        growth = sum(TYPICAL_VOLUME[z] for z in numbers) / sum(TYPICAL_VOLUME[z] * n for z, n in known.counts.items())
        lattices.append(lattice + _VOLUME * math.log(growth) / math.sqrt(3))
    values = Numbers(torch.from_numpy(np.concatenate(places)), torch.from_numpy(np.stack(lattices)))
    return SymmetricBatch(make_orbits(sites), values)


def _name(known: Precedent) -> str:
    symbols = {chemical_symbols[z]: n for z, n in known.counts.items()}
    return str(Formula.from_dict(symbols).reduce()[0].convert("metal"))
