"""Learned relaxation of many crystals at once, each stopping on its own.

A step asks the network for its motion, takes the part of it that is free, and follows it. No energy is known, so what
tells that a crystal has arrived is that the network hardly moves it any more. Every crystal gets a status; none that is
broken harms the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from asegen.arguments import real_number, whole_number
from asegen.crystals.crystals import Crystals, Tangent
from asegen.errors import InputError
from asegen.relaxation.motion import Freedom, size_of, total_motion
from asegen.relaxation.statuses import CONVERGED, FAILED, NO_CELL, NOT_FINITE, OUT_OF_STEPS, VOLUME

Mover = Callable[[Crystals], Sequence[Tangent]]

_NOT_FINITE = "the network's motion is not finite"
_FLAT = 1e-6  # volume over the product of the lengths, under which a cell has no volume


@dataclass(frozen=True)
class Limits:
    """When a crystal stops.

    Attributes:
        position_tolerance: Å; a crystal has arrived when no atom is asked to move farther within the cell,
        cell_tolerance: dimensionless; and no principal strain is larger.
        steps: most moves.
        volume_factor: a crystal is stopped, and its last move undone, when its volume has grown or shrunk by more.
        atoms_at_once: crystals are moved together up to this many atoms.

    Raises:
        InputError: a limit is no number, or has no meaning.
    """

    position_tolerance: float = 0.05
    cell_tolerance: float = 0.01
    steps: int = 20
    volume_factor: float = 2.5
    atoms_at_once: int = 2000

    def __post_init__(self) -> None:
        for name in ("position_tolerance", "cell_tolerance", "volume_factor"):
            object.__setattr__(self, name, real_number(name, getattr(self, name)))
        for name in ("steps", "atoms_at_once"):
            object.__setattr__(self, name, whole_number(name, getattr(self, name)))
        if not (self.position_tolerance >= 0 and self.cell_tolerance >= 0):
            raise InputError("tolerances of a relaxation must not be negative")
        if self.steps < 0 or self.atoms_at_once < 1 or not self.volume_factor > 1:
            raise InputError("a relaxation needs steps >= 0, atoms_at_once >= 1 and volume_factor > 1")


@dataclass(frozen=True, eq=False)
class Relaxed:
    """What became of every crystal.

    Attributes:
        crystals: where they arrived; as they were given if they could not be moved at all.
        status: one of `asegen.relaxation.statuses.STATUSES` each.
        reason: one line each; empty if converged.
        steps: (n_crystals,), int64, moves made.
        farthest: (n_crystals,), Å, how far the network would still move an atom; NaN if that isn't known.
        strain: (n_crystals,), the largest principal strain that it would still ask for; NaN if that isn't known.
    """

    crystals: Crystals
    status: list[str]
    reason: list[str]
    steps: Tensor
    farthest: Tensor
    strain: Tensor


def propose(model: Mover, crystals: Crystals, freedom: Freedom, dtype: torch.dtype = torch.float32) -> Tangent:
    """The free part of the network's motion.

    Args:
        model: the network, `crystals -> list[Tangent]`.
        crystals: what is to move.
        freedom: what may move.
        dtype: the network's; the motion has the crystals'.

    Raises:
        InputError: a cell is singular, or anything isn't finite.
    """
    with torch.no_grad():
        motion = total_motion(model(crystals.to(dtype=dtype)))
        motion = Tangent(motion.displacement.to(crystals.dtype), motion.strain.to(crystals.dtype))
        return freedom.project(crystals, motion)


def relax(
    model: Mover,
    crystals: Crystals,
    limits: Limits,
    freedom: Freedom | None = None,
    dtype: torch.dtype = torch.float32,
    report: Callable[[int], None] = lambda finished: None,
) -> Relaxed:
    """Relaxes a batch.

    Args:
        model: the network, `crystals -> list[Tangent]`.
        crystals: any number, on the network's device; float64 keeps symmetries to more digits.
        limits: when to stop.
        freedom: what may move; everything without it. With a space group crystals are made to have it exactly first.
        dtype: the network's.
        report: called with the number of crystals that have stopped since the last call.
    """
    freedom = freedom or Freedom()
    record = _Record(crystals)
    sound = record.refuse_broken()
    report(len(crystals) - len(sound))
    run = _Run(model, limits, dtype, record, report)
    for chosen in _groups(crystals.n_atoms, sound, limits.atoms_at_once):
        own, group = freedom.select(crystals, chosen), crystals[chosen]
        if own.symmetry is not None:
            group = own.symmetry.symmetrised(group)
        run.go(_Moving(group, chosen, own, group.volume), 0)
    return record.result()


def _groups(n_atoms: Tensor, chosen: Tensor, budget: int) -> Iterator[Tensor]:
    """Indices of crystals, in order, in groups of at most `budget` atoms or of one crystal."""
    counts = n_atoms[chosen].tolist()
    start, total = 0, 0
    for k, count in enumerate(counts):
        if total and total + count > budget:
            yield chosen[start:k]
            start, total = k, 0
        total += count
    if len(counts):
        yield chosen[start:]


class _Record:
    """The outcome so far."""

    def __init__(self, crystals: Crystals) -> None:
        n = len(crystals)
        self.crystals = crystals
        self.cell, self.positions = crystals.cell.clone(), crystals.scaled_positions.clone()
        self.status, self.reason = [FAILED] * n, [""] * n
        self.steps = torch.zeros(n, dtype=torch.int64)
        self.farthest, self.strain = (torch.full((n,), torch.nan, dtype=torch.float64) for _ in range(2))

    def refuse_broken(self) -> Tensor:
        """Marks what can't be relaxed; gives the indices of the rest."""
        crystals = self.crystals
        atoms = torch.isfinite(crystals.scaled_positions).all(-1)
        broken = torch.zeros(len(crystals), device=crystals.device).index_add(0, crystals.batch, (~atoms).float()) > 0
        finite = torch.isfinite(crystals.cell).all((1, 2)) & ~broken
        lengths = torch.linalg.vector_norm(crystals.cell, dim=-1).prod(-1)
        flat = finite & ~(crystals.volume > _FLAT * lengths)
        for k in (~finite).nonzero()[:, 0].tolist():
            self.stop(k, NOT_FINITE, "cell or positions are not finite")
        for k in flat.nonzero()[:, 0].tolist():
            self.stop(k, NO_CELL, "the cell has no volume")
        empty = finite & ~flat & (crystals.n_atoms == 0)
        for k in empty.nonzero()[:, 0].tolist():
            self.stop(k, FAILED, "no atoms")
        return (finite & ~flat & ~empty).nonzero()[:, 0]

    def stop(self, index: int, status: str, reason: str) -> None:
        """Notes why a crystal stopped."""
        self.status[index], self.reason[index] = status, reason

    def keep(self, crystals: Crystals, chosen: Tensor) -> None:
        """Notes where some crystals are."""
        self.cell[chosen] = crystals.cell
        self.positions[self.crystals.atoms_of(chosen)] = crystals.scaled_positions

    def result(self) -> Relaxed:
        """The outcome."""
        crystals = self.crystals.replace(self.cell, self.positions)
        return Relaxed(crystals, self.status, self.reason, self.steps, self.farthest, self.strain)


@dataclass(frozen=True, eq=False)
class _Moving:
    """Crystals on their way: where they are, their indices, what may move, and the volumes that they began with."""

    crystals: Crystals
    chosen: Tensor
    freedom: Freedom
    first_volume: Tensor

    def select(self, chosen: Tensor) -> _Moving:
        """Some of them, by indices."""
        freedom = self.freedom.select(self.crystals, chosen)
        return _Moving(self.crystals[chosen], self.chosen[chosen], freedom, self.first_volume[chosen])


class _Run:
    """Moves groups of crystals until each has stopped."""

    def __init__(
        self, model: Mover, limits: Limits, dtype: torch.dtype, record: _Record, report: Callable[[int], None]
    ) -> None:
        self.model, self.limits, self.dtype, self.record, self.report = model, limits, dtype, record, report

    def go(self, moving: _Moving, step: int) -> None:
        """Moves a group from a step on."""
        while len(moving.chosen):
            try:
                motion = propose(self.model, moving.crystals, moving.freedom, self.dtype)
            except InputError as error:
                self._separate(moving, step, (FAILED, str(error)))
                return
            except torch.linalg.LinAlgError:  # what eigenvalues of NaN end with
                self._separate(moving, step, (NOT_FINITE, _NOT_FINITE))
                return
            moved = moving.crystals.move(motion)
            reasons = self._reasons_to_stop(moving, motion, moved, step)
            going = torch.tensor([k for k, why in enumerate(reasons) if why is None], device=moved.device).long()
            self._stop(moving, reasons)
            moving = _Moving(moved, moving.chosen, moving.freedom, moving.first_volume).select(going)
            step += 1

    def _separate(self, moving: _Moving, step: int, why: tuple[str, str]) -> None:
        """Goes on in two halves, so that a crystal that can't be moved is left alone with its error."""
        n = len(moving.chosen)
        if n == 1:
            self._stop(moving, [why])
            return
        for half in torch.arange(n, device=moving.chosen.device).split((n + 1) // 2):
            self.go(moving.select(half), step)

    def _reasons_to_stop(
        self, moving: _Moving, motion: Tangent, moved: Crystals, step: int
    ) -> list[tuple[str, str] | None]:
        """Status and reason of each crystal that goes no farther, None for the others."""
        limits, record = self.limits, self.record
        farthest, strain = (x.double().cpu() for x in size_of(moving.crystals, motion))
        index = moving.chosen.cpu()
        record.farthest[index], record.strain[index], record.steps[index] = farthest, strain, step
        arrived = (farthest <= limits.position_tolerance) & (strain <= limits.cell_tolerance)
        finite = torch.isfinite(farthest) & torch.isfinite(strain)
        ratio = (moved.volume / moving.first_volume).cpu()
        bounded = (ratio < limits.volume_factor) & (ratio > 1 / limits.volume_factor)
        last = step >= limits.steps

        def judge(is_finite: bool, has_arrived: bool, is_bounded: bool) -> tuple[str, str] | None:
            if not is_finite:
                return NOT_FINITE, _NOT_FINITE
            if has_arrived:
                return CONVERGED, ""
            if last:
                return OUT_OF_STEPS, f"still moving after {step} steps"
            return None if is_bounded else (VOLUME, f"the volume left the factor {limits.volume_factor:g}")

        return [judge(*row) for row in zip(finite.tolist(), arrived.tolist(), bounded.tolist(), strict=True)]

    def _stop(self, moving: _Moving, reasons: Sequence[tuple[str, str] | None]) -> None:
        stopping = [k for k, why in enumerate(reasons) if why is not None]
        if not stopping:
            return
        chosen = torch.tensor(stopping, device=moving.chosen.device)
        self.record.keep(moving.crystals[chosen], moving.chosen[chosen])
        for index, why in zip(moving.chosen[chosen].tolist(), (why for why in reasons if why), strict=True):
            self.record.stop(index, *why)
        self.report(len(stopping))
