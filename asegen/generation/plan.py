"""The plan of a run: every sample with its own seed, cut into batches that depend on nothing but the plan.

Shards take whole batches, and a resumed run repeats whole batches; so both give bit for bit what one uninterrupted run
gives on the same machine. Where there are fewer batches than shards, crystals are shared out before batches are cut;
structures are those of the whole run but for rounding.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeVar

from asegen.arguments import text, whole_number
from asegen.errors import InputError
from asegen.generation.target import Target
from asegen.prototypes.formula_units import turn

_Unit = TypeVar("_Unit")

MAX_SAMPLES = 1_000_000
"""Most structures of one run; more of them are more runs, with other seeds."""

MAX_STEPS = 100_000
"""Most steps of a sampler; nothing changes beyond some hundred."""

MAX_PAIRS = 2**17
"""Most pairs of atoms in a batch, padding included, unless one crystal alone has more: memory grows with them."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One structure to draw.

    Attributes:
        index: place in the request, from 0.
        target: what it is to be.
        repeat: how many samples of the same formula, and space group where one is given, come before it, in any cell.
    """

    index: int
    target: Target
    repeat: int

    @property
    def n_atoms(self) -> int:
        """Atoms in the cell, the most that there may be before it is drawn; at least 1."""
        return max(1, self.target.most_atoms)

    @property
    def in_cell(self) -> Sample:
        """The sample in a cell of its own, where there are several: they take turns by their shares."""
        if not self.target.cells:
            return self
        multiple, before = turn(self.target.small_cells, self.repeat)
        return replace(self, target=self.target.with_units(multiple), repeat=before)


def sample_seed(seed: int, sample: Sample, attempt: int = 0) -> int:
    """A 63-bit seed that depends on the run's seed, the formula, the count of that formula and the attempt alone."""
    key = json.dumps([seed, sample.target.formula, sample.repeat, attempt])
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") >> 1


class Settings(NamedTuple):
    """Numbers of a run that are in their ranges; see `check_settings`."""

    n: int
    seed: int
    steps: int | None
    batch_size: int


def check_settings(n: int, seed: int = 0, steps: int | None = None, batch_size: int = 1) -> Settings:
    """Numbers of a run as Python's own; refuses those with which there is nothing to plan.

    Args:
        n: structures of each composition.
        seed: of the run.
        steps: of the sampler.
        batch_size: structures drawn at once.

    Raises:
        InputError: one is out of its range, or no whole number.
    """
    n, seed, batch_size = whole_number("n", n), whole_number("seed", seed), whole_number("batch_size", batch_size)
    steps = None if steps is None else whole_number("steps", steps)
    if not 1 <= n <= MAX_SAMPLES:
        raise InputError(f"n = {n}: 1 to {MAX_SAMPLES} structures can be asked for", "n")
    if not 0 <= seed < 2**63:
        raise InputError(f"seed = {seed}: a whole number from 0 to 2^63 - 1 is needed", "seed")
    for name, value, most in (("steps", steps, MAX_STEPS), ("batch_size", batch_size, MAX_SAMPLES)):
        if value is not None and not 1 <= value <= most:
            raise InputError(f"{name} = {value}: 1 to {most} are possible", name)
    return Settings(n, seed, steps, batch_size)


def check_plan(targets: Sequence[Target], n: int) -> None:
    """Refuses a plan that is too large, or of nothing.

    Raises:
        InputError: `n` is under 1, there is no target, or more than `MAX_SAMPLES` structures are asked for.
    """
    check_settings(n)
    if not targets:
        raise InputError("no composition was asked for")
    if n * len(targets) > MAX_SAMPLES:
        raise InputError(f"{n * len(targets)} structures: at most {MAX_SAMPLES} are possible in one run")


def make_plan(targets: Sequence[Target], n: int = 1) -> list[Sample]:
    """`n` samples of every target, in order.

    Raises:
        InputError: `n` is under 1, there is no target, or more than `MAX_SAMPLES` structures are asked for.
    """
    check_plan(targets, n)
    seen: Counter[object] = Counter()  # a second polymorph is no repetition of the first, nor is another cell
    plan: list[Sample] = []
    for target in targets:
        for _ in range(n):
            key = target.formula, target.spacegroup, target.cells
            plan.append(Sample(len(plan), target, seen[key]))
            seen[key] += 1
    return plan


def largest_first(plan: Iterable[Sample]) -> list[Sample]:
    """Samples by the atoms of their cells, else in the plan's order."""
    return sorted(plan, key=lambda sample: -sample.n_atoms)


def cut_batches(plan: Sequence[Sample], batch_size: int) -> list[list[Sample]]:
    """Batches of samples of similar size, the largest crystals first, else in the plan's order.

    A batch holds at most `batch_size` samples, and fewer where crystals are large, see `MAX_PAIRS`.

    Raises:
        InputError: `batch_size` is under 1.
    """
    check_settings(1, batch_size=batch_size)
    batches: list[list[Sample]] = []
    room = 0
    for sample in largest_first(plan):
        if room == 0:
            room = max(1, min(batch_size, MAX_PAIRS // sample.n_atoms**2))
            batches.append([])
        batches[-1].append(sample)
        room -= 1
    return batches


def take_shard(units: Sequence[_Unit], shard: str | None) -> list[_Unit]:
    """The units of shard K of N ("K/N", K from 1): every N-th, so that shards are equally heavy.

    Args:
        units: batches, or what has to stay together in one, the largest first.
        shard: "K/N"; None is all.

    Returns:
        Units in order; none where there are fewer than K.

    Raises:
        InputError: not of the form K/N with 1 ≤ K ≤ N.
    """
    first, count = parse_shard(shard)
    return list(units[first - 1 :: count])


def parse_shard(shard: str | None) -> tuple[int, int]:
    """K and N of "K/N"; 1 and 1 for None.

    Raises:
        InputError: not of that form, or not 1 ≤ K ≤ N.
    """
    if shard is None:
        return 1, 1
    first, _, count = text("shard", shard, "2/8").partition("/")
    whole = all(part.isdecimal() and len(part) < 10 for part in (first, count))
    if not (whole and 1 <= int(first) <= int(count)):
        raise InputError(f"shard = {shard}: write K/N with K from 1 to N, such as 2/8", "shard")
    return int(first), int(count)


def plan_hash(batches: Sequence[list[Sample]]) -> str:
    """SHA-256 of a plan, by which a resumed run knows its own beginning."""
    content = hashlib.sha256()
    for batch in batches:
        key = [
            (s.index, s.repeat, t.formula, t.spacegroup, t.sites, t.material_id, t.cells)
            for s in batch
            for t in [s.target]
        ]
        content.update(json.dumps([*key, *(s.target.host.digest for s in batch if s.target.host)]).encode())
    return content.hexdigest()
