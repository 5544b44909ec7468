"""`Score`: crystals by the published score model, from a space group and numbers of sites."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from ase import Atoms
from ase.data import chemical_symbols

from asegen.errors import InputError
from asegen.generation.finishing import check_cell, finished
from asegen.generation.plan import Sample
from asegen.generation.site_assignments import SiteAssignments, composition_of, sites_wanted
from asegen.generation.source import Source, check_elements, identity_of
from asegen.generation.target import Target
from asegen.prototypes.proposals import Proposals, numbers_of_sites
from asegen.symmetry.analysis import Site, SymmetricCrystal, find_sites
from asegen.symmetry.assignments import Occupation
from asegen.symmetry.batches import crystals_of, make_orbits
from asegen.symmetry.groups import SpaceGroup, space_group
from asegen.trained.samplers import load_score_generator

SHIPPED = "symmetric-paper"
"""Weights inside the package."""
FIRST_GROUP = 16
"""The first orthorhombic one: the model's lattices have lengths, but no angles."""
REPULSION = 2.0
"""Of sites that overlap, by default: of 148 samples 145 are valid with it, 99 without it (the card of the weights)."""
_SAME = 1e-4  # fractional; merged images are at one place to rounding


class Score(Source):
    """Draws crystals with the published score model (Sultanov et al.).

    With weights of recipe `symmetric-paper` every site starts in its group's general position, and images that end
    nearer than 0.3 Å are one atom. So the target's sites are numbers of sites ("Na:1,Cl:1"), and the composition is
    what comes out: `info["formula"]`. For a formula without sites (`info["formula_requested"]`) the numbers are drawn
    as known crystals have them (`info["sites_requested"]`). Nothing is drawn again unless that is asked for. A sample
    whose numbers stop to be finite stays at its start and is marked: `info["sampling"]` is "failed". With weights that
    were trained on sites in their own positions the composition is exact, as of `Symmetric`.

    The paper's sampler lets sites end on one another. Here sites that overlap repel each other, see
    `SymmetricScore.sample`; a `repulsion` of 0 is the paper's sampler.

    Args:
        model: of `asegen models`, or a file of weights; `SHIPPED` without it.
        cell: see `Symmetric`, as all below.
        known: a catalogue of known crystals.
        device: where the model computes.
        repulsion: 0 or more.

    Raises:
        InputError: no such cell, weights or device, or a negative repulsion.
        CheckpointError: weights or a catalogue that can't be read.
    """

    keeps_spacegroup = True

    def __init__(
        self,
        model: str | None = None,
        cell: str = "primitive",
        known: Path | None = None,
        device: str = "auto",
        repulsion: float = REPULSION,
    ) -> None:
        if not 0 <= repulsion < math.inf:
            raise InputError(f"repulsion {repulsion:g}: 0 or more is needed", "repulsion")
        self.cell, self.repulsion = check_cell(cell), repulsion
        self.assignments = SiteAssignments(known)
        self.sampler = load_score_generator(model or SHIPPED, device)
        self.identity = identity_of(self.sampler)

    def settings(self) -> dict[str, object]:
        """The cell, the catalogue's checksum, and the repulsion."""
        return {"cell": self.cell, "known": self.assignments.checksum, "repulsion": self.repulsion}

    def compose(self, targets: Sequence[Target]) -> list[Target]:
        """Sites in general position leave the composition open; others make one, see `SiteAssignments.compose`."""
        if self.sampler.general and all(target.sites is not None for target in targets):
            return list(targets)
        return self.assignments.compose(targets)

    def unit_votes(self, target: Target) -> Mapping[int, float]:
        """Those of known crystals, of the target's group if it has one."""
        return self.assignments.unit_votes(target)

    def check(self, targets: Sequence[Target], force: bool) -> None:
        """Refuses early what can't be drawn.

        Raises:
            InputError: as of `Symmetric`; a monoclinic or triclinic group; letters for sites in general position.
        """
        for target in targets:
            if target.spacegroup is not None and target.spacegroup < FIRST_GROUP:
                raise InputError(
                    f"group {target.spacegroup}: the published model has no monoclinic and triclinic lattices"
                )
            if self.sampler.general and target.sites is not None and not sites_wanted(target):
                wrong = "these weights have every site in general position: give sites by numbers, Na:1,Cl:1"
                raise InputError(wrong, "sites")
        check_elements(self.identity, targets, force)
        self.assignments.check([target for target in targets if self._in_general(target) is None])

    def propose(self, samples: Sequence[Sample], seeds: Sequence[int], steps: int | None) -> list[Atoms]:
        """One structure for each sample, see `Source.propose`."""
        occupations = [self._occupation(s.target, seed) for s, seed in zip(samples, seeds, strict=True)]
        orbits = make_orbits([(one.group, list(one.sites)) for one in occupations])
        found, failed = self.sampler.sample(orbits, torch.tensor(seeds), steps, self.repulsion)
        crystals = [settled(crystal) for crystal in crystals_of(found)]
        structures = list(finished(crystals, self.cell))
        for k, (atoms, crystal) in enumerate(zip(structures, crystals, strict=True)):
            self._describe(atoms, crystal, samples[k].target, numbers_of_sites(occupations[k]))
            atoms.info["sampling"] = "failed" if failed[k] else "done"
            if failed[k]:  # where this start fails the validity gate too, the reason is the gate's
                atoms.info["reason"] = "sampling failed: a number was not finite, or the cell collapsed"
        return structures

    def _describe(self, atoms: Atoms, crystal: SymmetricCrystal, target: Target, numbers: dict[int, int]) -> None:
        """Says in `info` how many sites were asked for and which composition came out."""
        atoms.info["sites_requested"] = " ".join(f"{chemical_symbols[z]}:{k}" for z, k in numbers.items())
        made = Occupation(crystal.group, tuple((site.letter, site.number) for site in crystal.sites))
        atoms.info["formula"] = composition_of(made, list(numbers)).formula
        if self._in_general(target) is None:
            atoms.info["formula_requested"] = target.formula

    def _in_general(self, target: Target) -> dict[int, int] | None:
        """How many sites of each element are to be in general position, where that is said."""
        return sites_wanted(target) if self.sampler.general else None

    def _occupation(self, target: Target, own_seed: int) -> Occupation:
        """Sites for a sample: as many as asked for, or as known crystals have."""
        group, numbers = target.spacegroup, self._in_general(target)
        if numbers is None or group is None:
            proposals = _with_lengths(self.assignments.proposals(target), target)
            chosen = np.random.default_rng(own_seed).choice(len(proposals.occupations), p=proposals.probabilities)
            group, sites = proposals.occupations[chosen]
            found = Occupation(group, tuple(sorted(sites, key=lambda site: target.numbers.index(site[1]))))
            if not self.sampler.general:
                return found
            numbers = numbers_of_sites(found)
        letter = space_group(group).positions[-1].letter
        return Occupation(group, tuple((letter, z) for z, count in numbers.items() for _ in range(count)))


def _with_lengths(found: Proposals, target: Target) -> Proposals:
    """Those in groups whose lattices the model has."""
    kept = [k for k, occupation in enumerate(found.occupations) if occupation.group >= FIRST_GROUP]
    if not kept:
        raise InputError(f"{target.formula} is likely in monoclinic and triclinic groups only, which the model lacks")
    return found.select(kept)


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
