"""`SymmetricGenerator`: crystals of given compositions that have a given space group exactly."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from ase import Atoms
from ase.data import chemical_symbols

from asegen.errors import InputError
from asegen.generation.compositions import Composition, composition
from asegen.generation.generator import Generator
from asegen.generation.plan import Sample
from asegen.prototypes.catalogue import Catalogue, Proposals, numbers_of_sites
from asegen.structures.validity import check_atoms, niggli_reduce
from asegen.symmetry.analysis import Structure, SymmetricCrystal, found_group, structure_of
from asegen.symmetry.assignments import Occupation, check_letters, fits, impossible, parse_sites
from asegen.symmetry.batches import crystals_of, make_orbits
from asegen.symmetry.groups import Floats, parse_group, space_group
from asegen.trained.samplers import load_symmetric_generator
from asegen.trained.weights import shipped_catalogue

COMMON = "common"
"""Groups are drawn from those of known crystals, together with what is where."""
CELLS = ("primitive", "conventional")
SYMPREC = 1e-3
"""Å. Within it spglib has to find the group that was asked for, or a supergroup."""
_PRIOR_WEIGHT = 0.5
"""Of the logarithm of a way's probability, against the judge's logit. On 150 of val, 1.5 chose the same."""


class SymmetricGenerator(Generator):
    """Draws crystals with a space group; used like `Generator`.

    Formulas count the atoms of the primitive cell. What is on which Wyckoff position is drawn by how likely it is in
    known crystals, unless `sites` says it. Every structure has its group and its composition exactly: one that spglib
    does not find to have them is drawn again. Its `info` names, beside what `Generator` gives, spacegroup_requested
    (the group that it was made in), spacegroup and spacegroup_symbol (what spglib finds within `SYMPREC`: the same, or
    a supergroup), and wyckoff (what is where, such as "Na:a Cl:b").

    Args:
        spacegroup: a number, a symbol, or `COMMON`; a composition's own `group` goes first.
        sites: letters, "Na:a Cl:b", or numbers of sites, "Na:1,Cl:1"; anything that fits without it.
        cell: "primitive" (Niggli-reduced) or "conventional".
        known: a catalogue of known crystals, as `asegen ingest --symmetry` writes; that of mp/train without it.
        model: weights of a `SymmetricFlow` or `TorusFlow`; the default model without it.
        device: see `Generator`, as all below.
        batch_size: structures drawn at once.
        quick: one rough trajectory per structure.

    Raises:
        InputError: no such group, model or device, or sites that the group doesn't have.
        CheckpointError: weights or a catalogue that can't be read.
    """

    def __init__(
        self,
        spacegroup: int | str = COMMON,
        sites: str | None = None,
        cell: str = "primitive",
        known: Path | None = None,
        model: str | None = None,
        device: str = "auto",
        batch_size: int = 64,
        quick: bool = False,
    ) -> None:
        if cell not in CELLS:
            raise InputError(f"cell {cell!r} is not one of {', '.join(CELLS)}")
        self.group = None if spacegroup == COMMON else parse_group(str(spacegroup))
        self.sites = None if sites is None else parse_sites(sites)
        if self.sites is not None and self.group is None:
            raise InputError("sites have letters in a space group: name one with --spacegroup")
        self._letters = _letters(self.group, self.sites)
        self._known = shipped_catalogue() if known is None else known
        self.catalogue = Catalogue.read(self._known)
        self.batch_size, self.cell = batch_size, cell
        self._proposals: dict[tuple[str, int | None], Proposals] = {}
        self._load(model, device, quick)

    def _load(self, model: str | None, device: str, quick: bool) -> None:
        prior = self.catalogue.bravais_mean, self.catalogue.bravais_std
        self.symmetric = load_symmetric_generator(model, device, not quick, *prior)
        self.sampler = self.symmetric

    def settings(self) -> dict[str, object]:
        """What decides the structures beside compositions, seeds and the model, for the fingerprint of a run."""
        catalogue = hashlib.sha256(self._known.read_bytes()).hexdigest()[:8]
        return {"spacegroup": self.group, "sites": self.sites, "cell": self.cell, "known": catalogue}

    def compositions(self, n: int) -> list[Composition]:
        """The compositions of sites without a formula: of the letters, or of the likeliest ways to choose them.

        Args:
            n: how many; fewer ways are repeated.

        Raises:
            InputError: there are no sites, or the group has no room for them.
        """
        if self.sites is None or self.group is None:
            raise InputError("a formula is needed, or --sites")
        if self._letters is not None:
            ways = [self._letters]
        else:
            ways = self.catalogue.propose_sites(_numbers_of_sites(self.sites), self.group, n).occupations
        return [composition_of(ways[k % len(ways)], list(self.sites)) for k in range(n)]

    def check(self, compositions: Sequence[Composition], steps: int | None, force: bool) -> None:
        """Refuses early what can't be drawn.

        Raises:
            InputError: as `Generator.check`, or a composition that doesn't fit its group or its sites; the nearest ones
                that do are named.
        """
        super().check(compositions, steps, force)
        for item in {replace(c, material_id=None): None for c in compositions}:
            group, counts = item.group or self.group, _counts(item)
            if self.sites is not None:
                self.proposals(item)
            elif not fits(space_group(group or 1), counts):
                raise impossible(space_group(group or 1), counts)

    def proposals(self, item: Composition) -> Proposals:
        """The ways to make a composition, with their probabilities.

        Raises:
            InputError: there are none.
        """
        group = item.group or self.group
        key = item.formula, group
        if key not in self._proposals:
            counts = _counts(item)
            if self._letters is not None:
                found = Proposals([_agreeing(self._letters, item, list(self.sites or ()))], np.ones(1))
            elif group is None:
                found = self.catalogue.propose_any(counts)
            else:
                found = self.catalogue.propose(counts, group)
            if self.sites is not None and self._letters is None:
                found = _with_numbers(found, _numbers_of_sites(self.sites), item)
            self._proposals[key] = found
        return self._proposals[key]

    def draw(
        self, batch: Sequence[Sample], seed: int, steps: int | None = None, valid_only: bool = False
    ) -> list[Atoms]:
        """As `Generator.draw`; what fails the gate, or lacks its group, is always drawn again, `MAX_ATTEMPTS` times."""
        return super().draw(batch, seed, steps, valid_only=True)

    def sample(self, batch: Sequence[Sample], seeds: Sequence[int], steps: int | None) -> list[Atoms]:
        """One structure for each sample; arguments as in `Generator.sample`."""
        candidates = self.symmetric.candidates
        drawn, prior = [], []
        for sample, own_seed in zip(batch, seeds, strict=True):
            ways, probabilities = self.proposals(sample.composition)
            chosen = np.random.default_rng(own_seed).choice(len(ways), candidates, p=probabilities)
            order = {z: k for k, z in enumerate(_counts(sample.composition))}
            drawn.append([_in_order(ways[k], order) for k in chosen])
            prior.append(np.log(probabilities[chosen]))
        orbits = make_orbits([ways[k] for k in range(candidates) for ways in drawn])
        weights = torch.from_numpy(_PRIOR_WEIGHT * np.stack(prior, 1).ravel()).float()
        _, crystals = self.symmetric.sample(orbits, torch.tensor(seeds), candidates, weights, steps)
        return list(finished(crystals_of(crystals), self.cell))


def finished(crystals: Iterable[SymmetricCrystal], cell: str) -> Iterator[Atoms]:
    """Atoms of each crystal, exact in float64, with what spglib finds in `info`.

    Args:
        crystals: finite.
        cell: one of `CELLS`.
    """
    for crystal in crystals:
        group = space_group(crystal.group)
        structure = structure_of(crystal, conventional=cell == "conventional")
        basis = np.eye(3) if cell == "conventional" else group.primitive
        if cell == "primitive":
            reduced, positions = niggli_reduce(structure[0], structure[1])
            basis = np.rint(reduced @ np.linalg.inv(structure[0])) @ basis
            structure = reduced, positions, structure[2]
        found = _find(structure, group.operations(basis))
        atoms = Atoms(cell=structure[0], scaled_positions=structure[1], numbers=structure[2], pbc=True)
        wyckoff = str(Occupation(group.number, tuple((site.letter, site.number) for site in crystal.sites)))
        atoms.info = {"spacegroup_requested": group.number, "wyckoff": wyckoff, **found}
        yield atoms


def _find(structure: Structure, operations: tuple[Floats, Floats]) -> dict[str, object]:
    cell, positions, numbers = structure
    if check_atoms(Atoms(cell=cell, scaled_positions=positions, numbers=numbers, pbc=True)) is not None:
        return {}  # spglib must never see what isn't finite, and the gate's verdict is given elsewhere
    found = found_group(structure, *operations, SYMPREC)
    if found is None or not found.holds:
        return {"reason": f"space group: spglib does not find it within {SYMPREC:g} Å"}
    return {"spacegroup": found.number, "spacegroup_symbol": found.symbol}


def _counts(item: Composition) -> dict[int, int]:
    found: dict[int, int] = {}
    for z in item.numbers:
        found[z] = found.get(z, 0) + 1
    return found


def _in_order(way: Occupation, order: Mapping[int, int]) -> tuple[int, list[tuple[str, int]]]:
    """A group and its sites in the order of a formula's elements."""
    return way.group, sorted(way.sites, key=lambda site: order[site[1]])


def composition_of(way: Occupation, order: Sequence[int]) -> Composition:
    """What sites make in the primitive cell, with their group; elements in an order of atomic numbers."""
    counts = {chemical_symbols[z]: way.counts[z] for z in order}
    return replace(composition(counts), group=way.group)


def _letters(group: int | None, sites: Mapping[int, list[str]] | Mapping[int, int] | None) -> Occupation | None:
    if group is None or sites is None:
        return None
    letters = {z: own for z, own in sites.items() if isinstance(own, list)}
    return check_letters(space_group(group), letters) if letters else None


def _numbers_of_sites(sites: Mapping[int, list[str]] | Mapping[int, int]) -> dict[int, int]:
    return {z: own for z, own in sites.items() if isinstance(own, int)}


def _agreeing(way: Occupation, item: Composition, order: Sequence[int]) -> Occupation:
    if way.counts != _counts(item):
        made = composition_of(way, order).formula
        raise InputError(f"--sites {way} make {made} in the primitive cell, not {item.formula}")
    return way


def _with_numbers(found: Proposals, wanted: Mapping[int, int], item: Composition) -> Proposals:
    kept = [k for k, way in enumerate(found.occupations) if numbers_of_sites(way) == dict(wanted)]
    if not kept:
        ways = ", ".join(dict.fromkeys(str(way) for way in found.occupations[:3]))
        raise InputError(
            f"--sites: no likely way to make {item.formula} has these numbers of sites; likely are: {ways}"
        )
    probabilities = found.probabilities[kept]
    return Proposals([found.occupations[k] for k in kept], probabilities / probabilities.sum())
