"""All metrics by name, each with its protocol, and the run that measures those asked for."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cache as once
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from ase import Atoms

from asegen import __version__
from asegen.errors import InputError
from asegen.metrics.coverage import CUTOFFS, coverage, crystalnn_distance
from asegen.metrics.discovery import discovery
from asegen.metrics.distributions import density_distance, element_count_distance
from asegen.metrics.frechet import alignn_distance, cgcnn_distance, chgnet_distance, energy_distance
from asegen.metrics.inputs import Embedder, Figures, Inputs, Report, as_samples, installed
from asegen.metrics.prediction import match_everyone, match_rate
from asegen.metrics.validity import compositional_validity, structural_validity

EMBEDDER = "alignn-formation-energy"
"""The network behind FAD and energies, unless another is given."""
CGCNN = "cgcnn-formation-energy"
"""The network behind FD-CGCNN, unless another is given."""
ENERGIES = ("embedder", "chgnet")
"""What can predict the energies."""

_SOFTWARE = ("ase", "chgnet", "matminer", "pymatgen", "scipy", "smact", "spglib")


class Metric(NamedTuple):
    """A metric.

    Attributes:
        compute: measures it.
        protocol: how, in one line; figures of another protocol are not comparable.
        version: grows when the figures of the same structures change.
        needs: "reference", if anything beside the generated structures.
        packages: which the extra `metrics` installs.
    """

    compute: Callable[[Inputs], Figures]
    protocol: str
    version: int
    needs: str = ""
    packages: tuple[str, ...] = ()


_INTERVAL = (
    "structures that pass the gate; normal interval from 50 bootstrap samples of both sides; comparable only for the "
    "same network and numbers of structures"
)

METRICS: dict[str, Metric] = {
    "validity": Metric(
        structural_validity,
        "share of all generated structures; published: no two atoms, own images included, under 0.5 Å and at least "
        "0.1 Å³; gate: asegen.structures.validity.check_atoms",
        1,
    ),
    "composition": Metric(
        compositional_validity,
        "share of all generated structures; smact, oxidation states smact14, Pauling test, elements and alloys valid",
        1,
        packages=("smact",),
    ),
    "density": Metric(density_distance, "earth mover's distance, structures that pass the gate", 1, "reference"),
    "elements": Metric(
        element_count_distance,
        "earth mover's distance of the number of distinct elements, structures that pass the gate",
        1,
        "reference",
    ),
    "energy": Metric(
        energy_distance,
        "earth mover's distance of formation energies that a network predicts on both sides, structures that pass the "
        "gate, not relaxed; CHGNet's are its total energies less energies of the elements fitted to mp/train",
        1,
        "reference",
    ),
    "fad": Metric(
        alignn_distance,
        f"squared Fréchet distance of ALIGNN embeddings, {_INTERVAL}",
        1,
        "reference",
    ),
    "fd-cgcnn": Metric(
        cgcnn_distance,
        f"squared Fréchet distance of what the head of a CGCNN reads, the mean over atoms, {_INTERVAL}",
        1,
        "reference",
    ),
    "fd-chgnet": Metric(
        chgnet_distance,
        f"squared Fréchet distance of CHGNet's crystal features, divided by the number of atoms, {_INTERVAL}; 60 CPU "
        "seconds a crystal",
        1,
        "reference",
        ("chgnet",),
    ),
    "coverage": Metric(
        coverage,
        "CDVAE's COV: nearest site-mean CrystalNN fingerprint (ops) and nearest Magpie vector, standardised by the "
        "mean and deviation of the reference (CDVAE: constants of its training data), within the cutoffs; recall: "
        "share of the references that pass the gate; precision: share of all generated structures; 30 CPU seconds a "
        "fingerprint",
        1,
        "reference",
        ("matminer",),
    ),
    "fd-crystalnn": Metric(
        crystalnn_distance,
        f"squared Fréchet distance of site-mean CrystalNN fingerprints (ops), {_INTERVAL}; 30 CPU seconds a "
        "fingerprint",
        1,
        "reference",
        ("matminer",),
    ),
    "match": Metric(
        match_rate,
        "StructureMatcher(stol=0.5, ltol=0.3, angle_tol=10), generated and reference structures of the same id, share "
        "of all references; RMSE of those matched, in (V/n)^(1/3); valid compositions: by smact; 20 CPU seconds a "
        "pair",
        1,
        "reference",
    ),
    "metre": Metric(
        match_everyone,
        "StructureMatcher(stol=0.5, ltol=0.3, angle_tol=10), each reference against all generated structures of its "
        "formula, share of all references; cRMSE: 0.5 for a reference without match; 20 CPU seconds a pair",
        1,
        "reference",
    ),
    "discovery": Metric(
        discovery,
        "share of all generated structures; unique: passes the gate and is like no earlier one; novel: passes the gate "
        "and is like none of train; alike by StructureMatcher(stol=0.3, ltol=0.2, angle_tol=5); 20 CPU seconds a pair, "
        "which then counts as unlike; stable: energy_above_hull as given with the structures, at most 0 or 0.1 eV/atom",
        1,
    ),
}
"""By name, in the order in which they are measured."""


@dataclass(frozen=True)
class Measurement:
    """A metric's figures beside the protocol that they follow; `Figures` explains the other fields."""

    protocol: str
    version: int
    values: dict[str, float]
    counts: dict[str, int]
    notes: tuple[str, ...]
    using: dict[str, str]


@dataclass(frozen=True)
class Evaluation:
    """What `evaluate` measured.

    Attributes:
        metrics: name -> measurement.
        structures: "generated", "reference", "train" -> number of structures, good or bad.
        software: package -> version.
    """

    metrics: dict[str, Measurement]
    structures: dict[str, int]
    software: dict[str, str]

    def as_dict(self) -> dict[str, Any]:
        """Plain types for JSON, which knows no NaN: None stands for it."""
        plain = asdict(self)
        for metric in plain["metrics"].values():
            metric["values"] = {name: v if math.isfinite(v) else None for name, v in metric["values"].items()}
            metric["notes"] = list(metric["notes"])
        return plain


def evaluate(
    generated: Path | Iterable[Atoms],
    reference: Path | Iterable[Atoms] | None = None,
    train: Path | Iterable[Atoms] | None = None,
    metrics: Sequence[str] | None = None,
    jobs: int = 1,
    report: Report = lambda task, done, total: None,
    embedder: str | Embedder = EMBEDDER,
    cache: Path | None = None,
    cgcnn: str = CGCNN,
    energy: str = "embedder",
    cov_cutoffs: tuple[float, float] = CUTOFFS,
) -> Evaluation:
    """Measures how good generated crystals are.

    Worker processes are fresh interpreters: a script that calls this needs `if __name__ == "__main__":`.

    Args:
        generated: a file of structures, or Atoms. Nothing is too broken to be counted.
        reference: real crystals, such as the test split; generated ones are paired with them by `material_id`.
        train: real crystals that the generator has seen.
        metrics: names out of `METRICS`; by default all for which there are structures and packages.
        jobs: worker processes; no figure depends on it.
        report: told what is done, and how much of it.
        embedder: what FAD and energies rest on: a shipped model's name, the path of weights, `FILE.py:NAME`
            (`asegen.metrics.embedding.load_embedder`), or an object.
        cache: a folder that keeps fingerprints, distances, and what networks made of crystals, for the next run.
        cgcnn: a shipped CGCNN's name or the path of its weights.
        energy: one of `ENERGIES`.
        cov_cutoffs: largest distances of structures and of compositions that COV calls near; CDVAE's are (0.4, 10) for
            MP-20, and (0.2, 4) for Perov-5 and Carbon-24.

    Raises:
        InputError: a file that can't be read or is empty; an unknown metric, or one whose structures, packages or
            weights are missing.
        AsegenError: worker processes cannot be started.
    """
    if energy not in ENERGIES:
        raise InputError(f"no energies by {energy!r}; there are: {', '.join(ENERGIES)}")
    if energy == "chgnet" and not installed("chgnet"):
        raise InputError("energies by CHGNet need it: pip install 'asegen[metrics]'")
    names = _chosen(metrics, reference is not None)
    sides = [() if side is None else as_samples(side) for side in (generated, reference, train)]
    plugged = once(lambda: _embedder(embedder))
    embedders: dict[str, Callable[[], Embedder]] = {
        "energy": plugged if energy == "embedder" else _chgnet,
        "fad": plugged,
        "fd-cgcnn": lambda: _cgcnn(cgcnn),
        "fd-chgnet": _chgnet,
    }
    inputs = Inputs(sides[0], sides[1], sides[2], jobs, report, embedders, cov_cutoffs, cache)
    found = {}
    for done, name in enumerate(names):
        report(name, done, len(names))
        metric = METRICS[name]
        found[name] = Measurement(metric.protocol, metric.version, **vars(metric.compute(inputs)))
    structures = dict(zip(("generated", "reference", "train"), map(len, sides), strict=True))
    return Evaluation(found, structures, _software())


def _chosen(names: Sequence[str] | None, referenced: bool) -> list[str]:
    unknown = [name for name in names or () if name not in METRICS]
    if unknown:
        raise InputError(f"no metric {unknown[0]!r}; there are: {', '.join(METRICS)}")
    obstacles = {name: _obstacle(name, referenced) for name in (METRICS if names is None else names)}
    for name, obstacle in obstacles.items():
        if obstacle and names is not None:
            raise InputError(f"the metric {name!r} needs {obstacle}")
    return [name for name in METRICS if not obstacles.get(name, "not asked for")]


def _obstacle(name: str, referenced: bool) -> str:
    """What a metric lacks; empty where it lacks nothing."""
    metric = METRICS[name]
    if metric.needs == "reference" and not referenced:
        return "reference structures"
    for package in metric.packages:
        if not installed(package):
            return f"{package}: pip install 'asegen[metrics]'"
    return ""


def _embedder(embedder: str | Embedder) -> Embedder:
    if not isinstance(embedder, str):
        return embedder
    from asegen.metrics.embedding import load_embedder  # torch, which worker processes do without

    return load_embedder(embedder)


def _cgcnn(model: str) -> Embedder:
    from asegen.metrics.embedding import NetworkEmbedder

    return NetworkEmbedder(model, "CGCNN")


def _chgnet() -> Embedder:
    from asegen.metrics.chgnet import ChgnetEmbedder

    return ChgnetEmbedder()


def _software() -> dict[str, str]:
    return {"asegen": __version__} | {name: version(name) for name in _SOFTWARE if installed(name)}
