"""`Symmetric`: crystals of given compositions that have a space group exactly, drawn by a trained model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from ase import Atoms

from asegen.generation.finishing import check_cell, finished
from asegen.generation.plan import Sample
from asegen.generation.site_assignments import SiteAssignments
from asegen.generation.source import Source, check_elements, identity_of
from asegen.generation.target import Target
from asegen.symmetry.assignments import Occupation
from asegen.symmetry.batches import crystals_of, make_orbits
from asegen.trained.samplers import load_symmetric_generator

_PRIOR_WEIGHT = 0.5
"""Of the logarithm of an assignment's probability, against the judge's logit. On 150 of val, 1.5 chose the same."""


class Symmetric(Source):
    """Draws crystals with a space group: that of the target, or one that known crystals of such compositions have.

    Formulas count the atoms of the primitive cell. What is on which Wyckoff position is drawn by how likely it is in
    known crystals, unless the target's sites say it. Every structure has its group and its composition exactly: one
    that spglib does not find to have them is drawn again. `info` says what `finished` does.

    Args:
        cell: "primitive" (Niggli-reduced) or "conventional".
        known: a catalogue of known crystals, as `asegen ingest --symmetry` writes; that of mp/train without it.
        model: weights of a `SymmetricFlow` or `TorusFlow`; the default model without it.
        device: "auto", "cpu", "cuda", "cuda:1" …
        quick: one rough trajectory per structure.

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
        self.cell = check_cell(cell)
        self.assignments = SiteAssignments(known)
        catalogue = self.assignments.catalogue
        prior = catalogue.bravais_mean, catalogue.bravais_std
        self.sampler = load_symmetric_generator(model, device, not quick, *prior)
        self.identity = identity_of(self.sampler)

    def settings(self) -> dict[str, object]:
        """The cell, and the catalogue's checksum."""
        return {"cell": self.cell, "known": self.assignments.checksum}

    def compose(self, targets: Sequence[Target]) -> list[Target]:
        """Compositions of sites without a formula, see `SiteAssignments.compose`."""
        return self.assignments.compose(targets)

    def unit_votes(self, target: Target) -> Mapping[int, float]:
        """Those of known crystals, of the target's group if it has one."""
        return self.assignments.unit_votes(target)

    def check(self, targets: Sequence[Target], force: bool) -> None:
        """Refuses early what can't be drawn.

        Raises:
            InputError: an element without training data, or a composition that doesn't fit its group or its sites.
        """
        check_elements(self.identity, targets, force)
        self.assignments.check(targets)

    def propose(self, samples: Sequence[Sample], seeds: Sequence[int], steps: int | None) -> list[Atoms]:
        """One structure for each sample, see `Source.propose`: the best of several trajectories, if it isn't quick."""
        trajectories = self.sampler.candidates
        drawn, prior = [], []
        for sample, own_seed in zip(samples, seeds, strict=True):
            assignments, probabilities = self.assignments.proposals(sample.target)
            chosen = np.random.default_rng(own_seed).choice(len(assignments), trajectories, p=probabilities)
            order = {z: k for k, z in enumerate(dict.fromkeys(sample.target.numbers))}
            drawn.append([_in_order(assignments[k], order) for k in chosen])
            prior.append(np.log(probabilities[chosen]))
        orbits = make_orbits([own[k] for k in range(trajectories) for own in drawn])
        weights = torch.from_numpy(_PRIOR_WEIGHT * np.stack(prior, 1).ravel()).float()
        _, crystals = self.sampler.sample(orbits, torch.tensor(seeds), trajectories, weights, steps)
        return list(finished(crystals_of(crystals), self.cell))


def _in_order(occupation: Occupation, order: Mapping[int, int]) -> tuple[int, list[tuple[str, int]]]:
    """A group and its sites in the order of a formula's elements."""
    return occupation.group, sorted(occupation.sites, key=lambda site: order[site[1]])
