"""Training data of the judge: a generator's samples for known crystals, each with its closeness to the real one."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from asegen.crystals.crystals import Crystals
from asegen.data.shards import CrystalDataset
from asegen.metrics.matching import rms_distances
from asegen.parallel.files import replacing, write_text
from asegen.structures.atoms import atoms_from_crystals
from asegen.trained.samplers import StructureSampler

QUALITY = "quality"
"""The target: 1 less the root mean square distance (`metrics.matching`), 0 without a match."""
_CRYSTALS_AT_ONCE = 1024
_BATCH = 64


def draw_training_data(
    sampler: StructureSampler,
    known: CrystalDataset,
    copies: int,
    steps: int | None,
    seed: int,
    jobs: int,
    work: Path,
    report: Callable[[int], None] = lambda done: None,
) -> CrystalDataset:
    """Draws `copies` samples for the composition of each known crystal and compares them with it.

    What is done lies in `work`; called again with the same arguments after it was killed, it goes on from there.

    Args:
        sampler: the generator.
        known: real crystals.
        copies: samples per crystal.
        steps: network evaluations of a sample; the generator's default without it.
        seed: of all samples.
        jobs: worker processes that compare; the result does not depend on it.
        work: folder of intermediate files; removed by the caller once the result is safe.
        report: called with the number of crystals that are done.

    Returns:
        `copies` crystals for each known one, smallest first, with the target `QUALITY`, ids `<id>#<copy>`.
    """
    order = torch.argsort(known.crystals.n_atoms, stable=True)
    _claim(work, {"model": sampler.name, "version": sampler.version, "copies": copies, "steps": steps, "seed": seed})
    parts = []
    done = 0
    for number, index in enumerate(order.split(_CRYSTALS_AT_ONCE)):
        path = work / f"{number:05d}.safetensors"
        if not path.exists():
            drawn = _draw(sampler, known.crystals[index], index, copies, steps, seed, jobs)
            with replacing(path) as beside:
                save_file(drawn, beside)
        parts.append(load_file(path))
        done += len(index)
        report(done)
    merged = {key: torch.cat([part[key] for part in parts]) for key in parts[0]}
    crystals = Crystals(merged["cell"], merged["scaled_positions"], merged["numbers"], merged["n_atoms"])
    ids = [f"{known.ids[i]}#{k}" for index in order.split(_CRYSTALS_AT_ONCE) for k in range(copies) for i in index]
    header = {"model": sampler.name, "version": sampler.version, "seed": seed, "sources": known.header.get("sources")}
    sound = torch.isfinite(crystals.cell).all((1, 2))
    return CrystalDataset(crystals, {QUALITY: merged[QUALITY]}, ids, header)[sound]


def _claim(work: Path, settings: dict[str, object]) -> None:
    """Begins afresh where the folder holds another run's files."""
    place = work / "settings.json"
    if work.exists() and (not place.exists() or json.loads(place.read_text()) != settings):
        shutil.rmtree(work)
    work.mkdir(parents=True, exist_ok=True)
    write_text(place, json.dumps(settings))


def _draw(
    sampler: StructureSampler, real: Crystals, index: Tensor, copies: int, steps: int | None, seed: int, jobs: int
) -> dict[str, Tensor]:
    drawn = list(_sample(sampler, real, index, copies, steps, seed))
    pairs = [
        pair
        for crystals in drawn
        for pair in zip(atoms_from_crystals(real), atoms_from_crystals(crystals), strict=True)
    ]
    distances = [1.0 if d is None else d for d in rms_distances(pairs, jobs)]
    return {
        "cell": torch.cat([crystals.cell for crystals in drawn]),
        "scaled_positions": torch.cat([crystals.scaled_positions for crystals in drawn]),
        "numbers": real.numbers.repeat(copies),
        "n_atoms": real.n_atoms.repeat(copies),
        QUALITY: 1 - torch.tensor(distances, dtype=torch.float64),
    }


def _sample(
    sampler: StructureSampler, real: Crystals, index: Tensor, copies: int, steps: int | None, seed: int
) -> Iterator[Crystals]:
    """One batch of the size of `real` per copy."""
    for copy in range(copies):
        seeds = (seed * copies + copy) * 2**32 + index
        batches = [
            sampler.sample(real[part].numbers, real[part].n_atoms, seeds[part], steps)
            for part in torch.arange(len(real)).split(_BATCH)
        ]
        yield Crystals.cat(batches).to(dtype=torch.float64)
