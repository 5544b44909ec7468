"""The run that measures the metrics asked for, and what it gives back."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import cache as once
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

from asegen import __version__
from asegen.metrics.errors import ERROR
from asegen.metrics.inputs import MP20_CUTOFFS, Embedder, Figures, Inputs, Report, as_samples, check_embedder
from asegen.metrics.labels import label
from asegen.metrics.protocols import CLASSIC, find_protocol
from asegen.metrics.registry import CGCNN, EMBEDDER, METRICS, check_cutoffs, check_energy, choose, installed
from asegen.parallel.machine import check_jobs
from asegen.parallel.processes import Processes
from asegen.structures.given import Structures as InMemory

_SOFTWARE = ("ase", "chgnet", "matminer", "pymatgen", "scipy", "sevenn", "smact", "spglib")


@dataclass(frozen=True)
class Measurement:
    """A metric's figures beside the protocol that they follow; `Figures` explains the other fields.

    Attributes:
        labels: words and units for the names in `values`.
    """

    protocol: str
    version: int
    labels: dict[str, str]
    values: dict[str, float]
    counts: dict[str, int]
    notes: tuple[str, ...]
    using: dict[str, str]

    def rows(self) -> list[tuple[str, str]]:
        """Each figure in words, and its value as text, with its standard error where it has one."""
        return [
            (
                self.labels[name],
                f"{value:9.4f}" + (f" ± {self.values[name + ERROR]:.4f}" if name + ERROR in self.values else ""),
            )
            for name, value in self.values.items()
            if not name.endswith(ERROR)
        ]


@dataclass(frozen=True)
class Evaluation:
    """What `evaluate` measured.

    Attributes:
        metrics: name -> measurement.
        structures: "generated", "reference", "train" -> number of structures, good or bad.
        software: package -> version.
        protocol: name and tolerances.
        unreadable: "generated", "reference", "train" -> the entries and files that couldn't be read, with reasons.
    """

    metrics: dict[str, Measurement]
    structures: dict[str, int]
    software: dict[str, str]
    protocol: str
    unreadable: dict[str, list[str]]

    def __str__(self) -> str:
        """A line for each figure, then what is to be minded."""
        rows = [(f"{name}: {key}", value) for name, found in self.metrics.items() for key, value in found.rows()]
        width = max((len(key) for key, _ in rows), default=0)
        notes = [f"{name}: {note}" for name, found in self.metrics.items() for note in found.notes]
        return "\n".join([*(f"{key:{width}}  {value}" for key, value in rows), *notes])

    def as_dict(self) -> dict[str, Any]:
        """Plain types for JSON, which knows no NaN: None stands for it."""
        plain = asdict(self)
        for metric in plain["metrics"].values():
            metric["values"] = {name: v if math.isfinite(v) else None for name, v in metric["values"].items()}
            metric["notes"] = list(metric["notes"])
        return plain


Structures = str | Path | InMemory
"""A file or folder of structures, or structures in memory."""


def evaluate(
    generated: Structures,
    reference: Structures | None = None,
    train: Structures | None = None,
    *,
    metrics: str | Sequence[str] | None = None,
    jobs: int = 1,
    report: Report = lambda task, done, total: None,
    embedder: str | Path | Embedder = EMBEDDER,
    cache: str | Path | None = None,
    cgcnn: str | Path = CGCNN,
    energy: str = "embedder",
    cov_cutoffs: tuple[float, float] = MP20_CUTOFFS,
    potential: str | None = None,
    protocol: str = CLASSIC.name,
) -> Evaluation:
    """Measures how good generated crystals are.

    Args:
        generated: a file or folder of structures, or Atoms. Nothing is too broken to be counted.
        reference: real crystals, such as the test split; generated ones are paired with them by `material_id`.
        train: real crystals that the generator has seen.
        metrics: names out of `METRICS`, or one; by default all for which there are structures and packages.
        jobs: worker processes; no figure depends on it.
        report: told what is done, and how much of it.
        embedder: what FAD and energies rest on: a shipped model's name, the path of weights, `FILE.py:NAME`
            (`asegen.metrics.embedding.load_embedder`), or an object.
        cache: a folder that keeps fingerprints, distances, and what networks made of crystals, for the next run.
        cgcnn: a shipped CGCNN's name or the path of its weights.
        energy: what predicts the energies, "embedder" or "chgnet".
        cov_cutoffs: largest distances of structures and of compositions that COV calls near; CDVAE's are (0.4, 10) for
            MP-20, and (0.2, 4) for Perov-5 and Carbon-24.
        potential: relaxes structures for `stability`, which isn't measured by default without it; a name of
            `asegen.potentials.registry`, or "module:object". CHGNet where `stability` is named alone.
        protocol: by what tolerances crystals are alike, of `asegen.metrics.protocols.PROTOCOLS`.

    Raises:
        InputError: a file that can't be read or is empty; an unknown metric, or one whose structures, packages or
            weights are missing.
        AsegenError: worker processes cannot be started.
    """
    check_jobs(jobs)
    check_energy(energy)
    check_cutoffs(cov_cutoffs)
    check_embedder(embedder)
    tolerances = find_protocol(protocol)
    names = choose(metrics, reference is not None, potential is not None)
    others = (() if side is None else as_samples(side) for side in (reference, train))
    sides = [as_samples(generated), *others]
    plugged = once(lambda: _embedder(embedder))
    embedders: dict[str, Callable[[], Embedder]] = {
        "energy": plugged if energy == "embedder" else _chgnet,
        "fad": plugged,
        "fd-cgcnn": lambda: _cgcnn(cgcnn),
        "fd-chgnet": _chgnet,
    }
    kept = None if cache is None else Path(cache)
    with _workers(jobs) as pool:
        inputs = Inputs(sides[0], sides[1], sides[2], pool, report, embedders, cov_cutoffs, kept)
        inputs = replace(inputs, protocol=tolerances, potential=potential or "chgnet")
        found = {}
        for done, name in enumerate(names):
            report(name, done, len(names))
            found[name] = _measure(name, inputs)
    named = dict(zip(("generated", "reference", "train"), sides, strict=True))
    counts = {name: len(side) for name, side in named.items()}
    unreadable = {name: [f"{s.id}: {s.reason}" for s in side if s.atoms is None] for name, side in named.items()}
    return Evaluation(found, counts, _software(), str(tolerances), unreadable)


@contextmanager
def _workers(jobs: int) -> Iterator[Processes]:
    """One pool for all metrics, since a fresh process spends seconds on imports; its processes start when needed."""
    pool = Processes(jobs)
    try:
        yield pool
    finally:
        pool.kill()
        pool.shutdown()


def _measure(name: str, inputs: Inputs) -> Measurement:
    metric = METRICS[name]
    module, _, function = metric.function.partition(":")
    figures: Figures = getattr(import_module(module), function)(inputs)
    labels = {key: label(key, name) for key in figures.values}
    return Measurement(metric.protocol, metric.version, labels, **vars(figures))


def _embedder(embedder: str | Path | Embedder) -> Embedder:
    if not isinstance(embedder, str | Path):
        return embedder
    from asegen.metrics.embedding import load_embedder  # torch, which worker processes do without

    return load_embedder(str(embedder))


def _cgcnn(model: str | Path) -> Embedder:
    from asegen.metrics.embedding import NetworkEmbedder

    return NetworkEmbedder(str(model), "CGCNN")


def _chgnet() -> Embedder:
    from asegen.metrics.chgnet import ChgnetEmbedder

    return ChgnetEmbedder()


def _software() -> dict[str, str]:
    return {"asegen": __version__} | {name: version(name) for name in _SOFTWARE if installed(name)}
