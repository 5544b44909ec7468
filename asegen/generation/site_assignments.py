"""`SiteAssignments`: what may be on which Wyckoff position of a target, by how likely it is in known crystals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from ase.data import chemical_symbols

from asegen.errors import InputError
from asegen.generation.compositions import Composition, composition
from asegen.generation.target import Target
from asegen.parallel.files import sha256
from asegen.prototypes.catalogue import Catalogue
from asegen.prototypes.formula_units import MAX_ATOMS
from asegen.prototypes.proposals import OccupationProposer, Proposals, numbers_of_sites
from asegen.symmetry.assignments import Occupation, fits, impossible
from asegen.symmetry.groups import space_group
from asegen.symmetry.written_sites import check_letters, parse_sites
from asegen.trained.weights import shipped_catalogue


class SiteAssignments:
    """Assigns atoms to Wyckoff positions: as the target's `sites` say, otherwise as known crystals have them.

    Args:
        known: a catalogue of known crystals, as `asegen ingest --symmetry` writes; that of mp/train without it.

    Attributes:
        catalogue: what it holds.

    Raises:
        CheckpointError: a catalogue that can't be read.
    """

    def __init__(self, known: Path | None = None) -> None:
        self._path = shipped_catalogue() if known is None else known
        self.catalogue = Catalogue.shipped() if known is None else Catalogue.read(known)
        self._proposer = OccupationProposer(self.catalogue)
        self._proposals: dict[Target, Proposals] = {}

    @property
    def checksum(self) -> str:
        """Of the catalogue, 8 hexadecimal digits."""
        return sha256(self._path)[:8]

    def proposals(self, target: Target) -> Proposals:
        """The assignments that make a target's composition, with their probabilities.

        Raises:
            InputError: there are none.
        """
        key = target.anonymous
        if key not in self._proposals:
            self._proposals[key] = self._propose(key)
        return self._proposals[key]

    def _propose(self, target: Target) -> Proposals:
        counts, (letters, numbers) = Counter(target.numbers), _read_sites(target)
        if letters is not None:
            return Proposals([_agreeing(letters, target)], np.ones(1))
        if target.spacegroup is None:
            found = self._proposer.propose_any(counts)
        else:
            found = self._proposer.propose(counts, target.spacegroup)
        return found if numbers is None else _with_numbers(found, numbers, target)

    def compose(self, targets: Sequence[Target]) -> list[Target]:
        """The targets with the compositions that their sites make, see `Source.compose`.

        Letters make one; numbers of sites make those of the likeliest assignments, another for each equal target.

        Raises:
            InputError: there are no sites either, or the group has no room for them.
        """
        wanted = Counter(target for target in targets if target.composition is None)
        made = {target: iter(self._compositions(target, n)) for target, n in wanted.items()}
        return [replace(t, composition=next(made[t])) if t.composition is None else t for t in targets]

    def _compositions(self, target: Target, n: int) -> list[Composition]:
        if target.sites is None or target.spacegroup is None:
            raise InputError("a formula is needed, or sites", "sites")
        letters, numbers = _read_sites(target)
        if letters is not None:
            found = [letters]
        else:
            found = self._proposer.propose_sites(numbers or {}, target.spacegroup, n).occupations
        return [composition_of(found[k % len(found)], list(parse_sites(target.sites))) for k in range(n)]

    def unit_votes(self, target: Target) -> Mapping[int, float]:
        """Votes for the numbers of formula units in the primitive cell, see `Source.unit_votes`.

        A group without crystals of the target's anonymous formula has the fewest that fit its positions.
        """
        counts, number = Counter(target.numbers), target.spacegroup
        votes = self.catalogue.unit_votes(counts, number)
        if votes or number is None:
            return votes
        most = max(1, (target.max_atoms or MAX_ATOMS) // len(target.numbers))
        group = space_group(number)
        fitting = (m for m in range(1, most + 1) if fits(group, {z: m * n for z, n in counts.items()}))
        return {next(fitting, 1): 1.0}

    def check(self, targets: Sequence[Target]) -> None:
        """Refuses compositions that don't fit their group or their sites.

        Raises:
            InputError: one that doesn't, with its id where a file has one; the nearest ones that do are named.
        """
        for target in {target.anonymous: target for target in reversed(targets)}.values():
            group, counts = space_group(target.spacegroup or 1), Counter(target.numbers)
            if target.sites is not None:
                self.proposals(target)
            elif not fits(group, counts):
                error = impossible(group, counts)
                row = "" if target.material_id is None else f"row {target.material_id}: "
                raise InputError(f"{row}{error}", *error.parameters)


def composition_of(occupation: Occupation, order: Sequence[int]) -> Composition:
    """What sites make in the primitive cell.

    Args:
        occupation: the sites.
        order: of the elements in the formula, atomic numbers.
    """
    return composition({chemical_symbols[z]: occupation.counts[z] for z in order})


def sites_wanted(target: Target) -> dict[int, int] | None:
    """How many sites of each element are asked for, by atomic number; None where it isn't said by numbers."""
    return _read_sites(target)[1]


def _read_sites(target: Target) -> tuple[Occupation | None, dict[int, int] | None]:
    """The occupation that letters spell out, and numbers of sites; one of them at most."""
    if target.sites is None or target.spacegroup is None:
        return None, None
    sites = parse_sites(target.sites)
    letters = {z: own for z, own in sites.items() if isinstance(own, list)}
    if letters:
        return check_letters(space_group(target.spacegroup), letters), None
    return None, {z: own for z, own in sites.items() if isinstance(own, int)}


def _agreeing(letters: Occupation, target: Target) -> Occupation:
    if letters.counts != Counter(target.numbers):
        made = composition_of(letters, list(parse_sites(target.sites or ""))).formula
        raise InputError(f"sites {letters} make {made} in the primitive cell, not {target.formula}", "sites")
    return letters


def _with_numbers(found: Proposals, wanted: dict[int, int], target: Target) -> Proposals:
    kept = [k for k, occupation in enumerate(found.occupations) if numbers_of_sites(occupation) == wanted]
    if not kept:
        likely = ", ".join(dict.fromkeys(str(occupation) for occupation in found.occupations[:3]))
        raise InputError(
            f"sites: no likely assignment of {target.formula} has these numbers of sites; likely are: {likely}", "sites"
        )
    return found.select(kept)
