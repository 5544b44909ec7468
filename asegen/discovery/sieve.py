"""Which structures are kept: stable enough, new enough and on target; and why others aren't."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ase import Atoms

from asegen.arguments import real_number
from asegen.calculators.verification import Verifier
from asegen.criteria.criterion import normal_probability
from asegen.criteria.judging import PROBABILITY, Criteria, Judgement
from asegen.discovery.prediction import DEVIATION
from asegen.discovery.records import FAILED, FATES, HIGH, INVALID, KEPT, KNOWN, NOT_DRAWN, OFF_TARGET, UNSTABLE, VALUES
from asegen.errors import InputError
from asegen.generation.drawing import judged
from asegen.generation.stability import ABOVE_HULL, MISSING
from asegen.prototypes import novelty
from asegen.prototypes.novelty import KnownCrystals, Novelty

COMPOSITION, STRUCTURE, TYPE = "composition", "structure", "type"
NEW = (COMPOSITION, STRUCTURE, TYPE)
"""What has to be new."""
_MARGIN = 0.05
"""eV/atom, about the prediction's error: what may lie higher by more than that isn't worth a potential."""
_DEVIATIONS = 1.0
"""Standard deviations that are added to what is predicted: a structure is chosen because its energy is low, and then it
is often the error that is low. Of 241 compositions, 65 % of which lie within 0.1 eV/atom of the hull by CHGNet, 0, 1
and 2 of them leave 81, 69 and 51 % to a potential, of which 79, 84 and 90 % are so stable: 98, 90 and 70 % of all that
are. Without a potential they keep 71, 55 and 27 %, of which 84, 91 and 95 % are. What is predicted to lie below the
hull counts as lying on it, since errors are as large there."""
_LEAST_PROBABILITY = 0.2
"""Probability to meet the targets, below which a structure whose predicted values miss them isn't worth a potential."""
_LEAST_DEVIATION = 0.01
"""eV/atom, of predicted energies above the hull."""
_GO_ON = frozenset({HIGH, KNOWN, OFF_TARGET})
"""Fates after which the next structure of a composition is looked at."""


@dataclass(frozen=True)
class Verdict:
    """What became of a structure.

    Attributes:
        fate: of `asegen.discovery.records.FATES`.
        reason: one line; empty if it is kept.
        atoms: the structure as it is in the end, with everything known of it in `info`; None where there is none.
    """

    fate: str
    reason: str = ""
    atoms: Atoms | None = field(default=None, compare=False)

    @property
    def values(self) -> Mapping[str, Any]:
        """What is recorded of it."""
        info = {} if self.atoms is None else self.atoms.info
        return {name: info[name] for name in VALUES if name in info}


def check_e_hull(e_hull: float, is_computed: bool) -> None:
    """Refuses a limit that nothing can meet.

    Args:
        e_hull: eV/atom above the hull, at most.
        is_computed: a potential computes it in the end; predictions then have a margin.

    Raises:
        InputError: it is no number, or so far below 0 that no prediction lets anything through.
    """
    if not math.isfinite(real_number("e_hull", e_hull)):
        raise InputError(f"e_hull = {e_hull}: a number is needed, eV/atom", "e_hull")
    least = -_MARGIN if is_computed else 0.0
    if e_hull <= least:
        why = "what is predicted to lie below the hull counts as lying on it"
        raise InputError(f"e_hull = {e_hull:g}: more than {least:g} eV/atom is needed, as {why}", "e_hull")


class Sieve:
    """Keeps what is stable enough, new enough and on target.

    Args:
        e_hull: eV/atom above the hull, at most.
        new: one of `NEW`: a composition that isn't known; a structure that isn't; or a structure type.
        criteria: that properties have to meet.
        known: known crystals.
        verifier: the potential; None leaves the verdict to predictions.

    Raises:
        InputError: no such kind of novelty, or no limit that can be met.
    """

    def __init__(
        self, e_hull: float, new: str, criteria: Criteria, known: KnownCrystals, verifier: Verifier | None
    ) -> None:
        if new not in NEW:
            raise InputError(f"new = {new!r} is not one of {', '.join(NEW)}", "new")
        check_e_hull(e_hull, verifier is not None)
        self._e_hull, self._new, self._criteria, self._known, self._verifier = e_hull, new, criteria, known, verifier

    @property
    def identity(self) -> dict[str, object]:
        """What decides the verdicts."""
        own: dict[str, object] = {"e_hull": self._e_hull, "new": self._new, "known": self._known.identity}
        own["targets"] = self._criteria.identity
        return own | ({"potential": "none"} if self._verifier is None else self._verifier.identity)

    def in_order(self, predicted: Sequence[list[Atoms] | str]) -> list[tuple[int, list[Atoms] | str]]:
        """Compositions with their places, those first that are likeliest to be stable and on target at once.

        The structures of each are put into that order too; `info` gets the properties and target_probability. Without
        targets all stays as it is.

        Args:
            predicted: structures of each composition, as `judge` takes them.
        """
        if not self._criteria.criteria:
            return list(enumerate(predicted))
        self._note_properties([a for own in predicted if not isinstance(own, str) for a in own if a.info["valid"]])
        chances = []
        for structures in predicted:
            chance = 0.0
            if structures and not isinstance(structures, str):
                structures.sort(key=self._chance, reverse=True)
                chance = self._chance(structures[0])
            chances.append(chance)
        order = sorted(range(len(predicted)), key=lambda place: -chances[place])
        return [(place, predicted[place]) for place in order]

    def _note_properties(self, structures: Sequence[Atoms]) -> list[Judgement]:
        found = self._criteria.judge(structures)
        for atoms, one in zip(structures, found, strict=True):
            atoms.info |= one.as_info()
        return found

    def _chance(self, atoms: Atoms) -> float:
        """The probability that a predicted structure is stable enough and on target, errors taken as independent."""
        on_target, above = atoms.info.get(PROBABILITY, 0.0), atoms.info.get(ABOVE_HULL)
        if above is None:
            return float(on_target) / 2
        deviation = max(atoms.info.get(DEVIATION, 0.0), _LEAST_DEVIATION)
        return float(on_target) * normal_probability((self._e_hull - max(above, 0.0)) / deviation)

    def judge(self, structures: Sequence[Atoms] | str) -> Verdict:
        """What becomes of a composition: of its first structure that is kept, or else of the one that came farthest.

        Args:
            structures: of one composition, the best first, or why there are none.
        """
        if isinstance(structures, str):
            return Verdict(NOT_DRAWN, structures)
        farthest = Verdict(INVALID, "no structure passes the validity gate")
        for atoms in structures:
            if atoms.info["valid"]:
                verdict = self._of(atoms)
                if FATES.index(verdict.fate) > FATES.index(farthest.fate):
                    farthest = verdict
                if verdict.fate not in _GO_ON:
                    break
        return farthest

    def _of(self, atoms: Atoms) -> Verdict:
        """What becomes of a structure that is predicted."""
        before = self._before(atoms)
        if before is not None or self._verifier is None:
            return before or Verdict(KEPT, atoms=atoms)
        verified = self._verifier.verify(atoms)
        if verified.reason:
            return Verdict(FAILED, verified.reason, atoms)
        relaxed = verified.atoms
        relaxed.info = judged(relaxed)
        if verified.e_hull > self._e_hull:
            return Verdict(UNSTABLE, f"{verified.e_hull:.3f} eV/atom above the hull", relaxed)
        return self._news(relaxed) or self._properties(relaxed) or Verdict(KEPT, atoms=relaxed)

    def _before(self, atoms: Atoms) -> Verdict | None:
        """The verdict, if predictions are enough for it."""
        above = atoms.info.get(ABOVE_HULL)
        if above is None and self._verifier is None:
            return Verdict(FAILED, str(atoms.info.get(MISSING, "no predicted energy")), atoms)
        deviation = float(atoms.info.get(DEVIATION, 0.0))
        margin = 0.0 if self._verifier is None else _MARGIN
        if above is not None and max(above, 0.0) + _DEVIATIONS * deviation > self._e_hull + margin:
            return Verdict(HIGH, f"{above:.3f} ± {deviation:.3f} eV/atom above the hull, predicted", atoms)
        return self._news(atoms) or self._properties(atoms, final=self._verifier is None)

    def _news(self, atoms: Atoms) -> Verdict | None:
        """Notes how new a structure is; a verdict if it isn't new enough."""
        found = self._known.judge(atoms)
        found.write_into(atoms.info)
        reason = _nothing_new(found, self._new)
        return Verdict(KNOWN, reason, atoms) if reason else None

    def _properties(self, atoms: Atoms, final: bool = True) -> Verdict | None:
        """Notes the properties of a structure; a verdict if they are off target, or most likely so before the end."""
        if not self._criteria.criteria:
            return None
        (found,) = self._note_properties([atoms])
        is_off = not found.is_met and (final or found.probability < _LEAST_PROBABILITY)
        return Verdict(OFF_TARGET, found.reason, atoms) if is_off else None


def _nothing_new(found: Novelty, wanted: str) -> str:
    """Why a structure isn't as new as wanted; empty if it is."""
    if wanted == COMPOSITION:
        return "the composition is known" if found.known_composition else ""
    if found.kind == novelty.KNOWN:
        return f"the structure is {found.prototype}'s"
    if wanted == TYPE:
        return "" if found.kind == novelty.NEW_TYPE else f"the structure type is {found.prototype}'s"
    if found.known_composition and not found.structures_at_hand:
        return "the composition is known, its structures aren't at hand"
    return ""
