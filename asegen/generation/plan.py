"""The plan of a run: every sample with its own seed, cut into batches that depend on nothing but the plan.

Shards take whole batches, and a resumed run repeats whole batches; so both give bit for bit what one uninterrupted run
gives on the same machine.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from asegen.errors import InputError
from asegen.generation.compositions import Composition

MAX_SAMPLES = 1_000_000
"""Most structures of one run; more of them are more runs, with other seeds."""

MAX_PAIRS = 2**17
"""Most pairs of atoms in a batch, padding included, unless one crystal alone has more: memory grows with them."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One structure to draw.

    Attributes:
        index: place in the request, from 0.
        composition: what it is made of.
        repeat: how many samples of the same formula, and group where one is given, come before it.
    """

    index: int
    composition: Composition
    repeat: int


def sample_seed(seed: int, sample: Sample, attempt: int = 0) -> int:
    """A 63-bit seed that depends on the run's seed, the formula, the count of that formula and the attempt alone."""
    key = json.dumps([seed, sample.composition.formula, sample.repeat, attempt])
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") >> 1


def make_plan(compositions: Sequence[Composition], n: int = 1) -> list[Sample]:
    """`n` samples of every composition, in order.

    Raises:
        InputError: `n` is under 1, there is no composition, or more than `MAX_SAMPLES` structures are asked for.
    """
    if n < 1:
        raise InputError(f"-n {n}: at least 1 structure has to be asked for")
    if not compositions:
        raise InputError("no composition was asked for")
    if n * len(compositions) > MAX_SAMPLES:
        raise InputError(f"{n * len(compositions)} structures: at most {MAX_SAMPLES} are possible in one run")
    seen: Counter[tuple[str, int | None]] = Counter()  # a second polymorph is no repetition of the first
    plan: list[Sample] = []
    for composition in compositions:
        for _ in range(n):
            plan.append(Sample(len(plan), composition, seen[composition.formula, composition.group]))
            seen[composition.formula, composition.group] += 1
    return plan


def cut_batches(plan: Sequence[Sample], batch_size: int) -> list[list[Sample]]:
    """Batches of samples of similar size, the largest crystals first, else in the plan's order.

    A batch holds at most `batch_size` samples, and fewer where crystals are large, see `MAX_PAIRS`.

    Raises:
        InputError: `batch_size` is under 1.
    """
    if batch_size < 1:
        raise InputError(f"--batch {batch_size}: at least 1 is needed")
    batches: list[list[Sample]] = []
    room = 0
    for sample in sorted(plan, key=lambda sample: -len(sample.composition.numbers)):
        if room == 0:
            room = max(1, min(batch_size, MAX_PAIRS // len(sample.composition.numbers) ** 2))
            batches.append([])
        batches[-1].append(sample)
        room -= 1
    return batches


def take_shard(batches: Sequence[list[Sample]], shard: str | None) -> list[list[Sample]]:
    """The batches of shard K of N ("K/N", K from 1): every N-th, so that shards are equally heavy.

    Raises:
        InputError: not of the form K/N with 1 ≤ K ≤ N.
    """
    if shard is None:
        return list(batches)
    first, _, count = shard.partition("/")
    whole = all(part.isdecimal() and len(part) < 10 for part in (first, count))
    if not (whole and 1 <= int(first) <= int(count)):
        raise InputError(f"--shard {shard}: write K/N with K from 1 to N, such as 2/8")
    return list(batches[int(first) - 1 :: int(count)])


def fingerprint(batches: Sequence[list[Sample]], settings: Mapping[str, object]) -> str:
    """A hash of a plan and of all settings that change its result, by which a resumed run knows its own beginning."""
    content = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for batch in batches:
        key = [(s.index, s.composition.formula, s.composition.material_id, s.repeat) for s in batch]
        groups = [s.composition.group for s in batch]
        content.update(json.dumps(groups).encode() if any(groups) else b"")
        content.update(json.dumps(key).encode())
    return content.hexdigest()
