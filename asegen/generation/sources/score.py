"""`ScoreGenerator`: crystals by the published score model, from a space group and numbers of sites."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from ase import Atoms
from ase.data import chemical_symbols

from asegen.errors import InputError
from asegen.generation.compositions import Composition, composition
from asegen.generation.generator import Generator
from asegen.generation.plan import Sample
from asegen.generation.sources.symmetric import SymmetricGenerator, composition_of, finished
from asegen.prototypes.catalogue import Proposals, numbers_of_sites
from asegen.symmetry.analysis import Site, SymmetricCrystal, find_sites
from asegen.symmetry.assignments import Occupation
from asegen.symmetry.batches import crystals_of, make_orbits
from asegen.symmetry.groups import SpaceGroup, space_group
from asegen.trained.samplers import load_score_generator

FIRST_GROUP = 16
"""The first orthorhombic one: the model's lattices have lengths, but no angles."""
_SAME = 1e-4  # fractional; merged images are at one place to rounding


class ScoreGenerator(SymmetricGenerator):
    """Draws crystals with the published score model (Sultanov et al.); used like `SymmetricGenerator`.

    With weights of recipe `symmetric-paper` every site starts in its group's general position, and images that end
    nearer than 0.3 Å are one atom. So `sites` names numbers of sites ("Na:1,Cl:1"), and the composition is what comes
    out: `info["formula"]`. For a formula without sites (`info["formula_requested"]`) the numbers are drawn as known
    crystals have them (`info["sites_requested"]`). Nothing is drawn again unless `valid_only` asks for it. A sample
    whose numbers stop to be finite stays at its start and is marked: `info["sampling"]` is "failed". With weights that
    were trained on sites in their own positions the composition is exact, as in `SymmetricGenerator`.

    Arguments are `SymmetricGenerator`'s; `quick` changes nothing.
    """

    def _load(self, model: str | None, device: str, quick: bool) -> None:
        if model is None:
            raise InputError("the published score model has no shipped weights: name a file")
        self._score = load_score_generator(model, device)
        self.sampler = self._score
        if self._letters is not None and self._score.general:
            raise InputError("these weights have every site in general position: give --sites by numbers, Na:1,Cl:1")

    def compositions(self, n: int) -> list[Composition]:
        """As `SymmetricGenerator.compositions`; of sites in general position, one atom for each site stands for them.

        Args:
            n: how many.

        Raises:
            InputError: as there.
        """
        numbers = self._numbers()
        if numbers is None or self.group is None:
            return super().compositions(n)
        return [replace(composition({chemical_symbols[z]: k for z, k in numbers.items()}), group=self.group)] * n

    def check(self, compositions: Sequence[Composition], steps: int | None, force: bool) -> None:
        """Refuses early what can't be drawn.

        Raises:
            InputError: as `SymmetricGenerator.check`, or a monoclinic or triclinic group.
        """
        for item in compositions:
            group = item.group or self.group
            if group is not None and group < FIRST_GROUP:
                raise InputError(f"group {group}: the published model has no monoclinic and triclinic lattices")
        if self._numbers() is None:
            super().check(compositions, steps, force)
        else:
            Generator.check(self, compositions, steps, force)

    def draw(
        self, batch: Sequence[Sample], seed: int, steps: int | None = None, valid_only: bool = False
    ) -> list[Atoms]:
        """As `Generator.draw`."""
        return Generator.draw(self, batch, seed, steps, valid_only)

    def _numbers(self) -> dict[int, int] | None:
        """How many sites of each element are to be in general position, where that is said."""
        if self.sites is None or not self._score.general:
            return None
        return {z: own for z, own in self.sites.items() if isinstance(own, int)}

    def _way(self, item: Composition, own_seed: int) -> Occupation:
        """Sites for a sample: as many as asked for, or as known crystals have."""
        group, numbers = item.group or self.group, self._numbers()
        if numbers is None or group is None:
            proposals = _with_lengths(self.proposals(item), item)
            chosen = np.random.default_rng(own_seed).choice(len(proposals.occupations), p=proposals.probabilities)
            way = proposals.occupations[chosen]
            way = Occupation(way.group, tuple(sorted(way.sites, key=lambda site: item.numbers.index(site[1]))))
            if not self._score.general:
                return way
            group, numbers = way.group, numbers_of_sites(way)
        letter = space_group(group).positions[-1].letter
        return Occupation(group, tuple((letter, z) for z, count in numbers.items() for _ in range(count)))

    def sample(self, batch: Sequence[Sample], seeds: Sequence[int], steps: int | None) -> list[Atoms]:
        """One structure for each sample; arguments as in `Generator.sample`."""
        ways = [self._way(sample.composition, seed) for sample, seed in zip(batch, seeds, strict=True)]
        orbits = make_orbits([(way.group, list(way.sites)) for way in ways])
        found, failed = self._score.sample(orbits, torch.tensor(seeds), steps)
        crystals = [settled(crystal) for crystal in crystals_of(found)]
        structures = list(finished(crystals, self.cell))
        for atoms, sample, way, crystal, wrong in zip(structures, batch, ways, crystals, failed.tolist(), strict=True):
            numbers = numbers_of_sites(way)
            atoms.info["sites_requested"] = " ".join(f"{chemical_symbols[z]}:{k}" for z, k in numbers.items())
            made = Occupation(crystal.group, tuple((site.letter, site.number) for site in crystal.sites))
            atoms.info["formula"] = composition_of(made, list(numbers)).formula
            if self._numbers() is None:
                atoms.info["formula_requested"] = sample.composition.formula
            atoms.info["sampling"] = "failed" if wrong else "done"
            if wrong:  # where this start fails the validity gate too, the reason is the gate's
                atoms.info["reason"] = "sampling failed: a number was not finite, or the cell collapsed"
        return structures


def _with_lengths(found: Proposals, item: Composition) -> Proposals:
    """Those in groups whose lattices the model has."""
    kept = [k for k, way in enumerate(found.occupations) if way.group >= FIRST_GROUP]
    if not kept:
        raise InputError(f"{item.formula} is likely in monoclinic and triclinic groups only, which the model lacks")
    probabilities = found.probabilities[kept]
    return Proposals([found.occupations[k] for k in kept], probabilities / probabilities.sum())


def settled(crystal: SymmetricCrystal) -> SymmetricCrystal:
    """A crystal whose sites have the letters of the positions that they are at.

    Args:
        crystal: sites have any letter; where their images coincide they are on a more special position.
    """
    group = space_group(crystal.group)
    sites = tuple(_at_its_place(group, site) for site in crystal.sites)
    return SymmetricCrystal(crystal.group, crystal.cell, sites)


def _at_its_place(group: SpaceGroup, site: Site) -> Site:
    position = group.by_letter[site.letter]
    own = position.matrix @ np.array(site.u) + position.shift
    images = group.rotations @ own + group.translations
    places = (images[:, None] + group.lattice_points).reshape(-1, 3)
    off = places[:, None] - places
    same = (np.abs(off - np.rint(off)) < _SAME).all(-1)
    distinct = places[~np.tril(same, -1).any(1)]
    return find_sites(group, distinct % 1.0, np.full(len(distinct), site.number))[0]
