"""All metrics by name, each with its protocol, and the run that measures those asked for."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

from ase import Atoms

from asegen import __version__
from asegen.errors import InputError
from asegen.metrics.coverage import coverage, crystalnn_distance
from asegen.metrics.discovery import discovery
from asegen.metrics.distributions import density_distance, element_count_distance
from asegen.metrics.frechet import alignn_distance, energy_distance
from asegen.metrics.inputs import Embedder, Figures, Inputs, Report, as_samples
from asegen.metrics.prediction import match_everyone, match_rate
from asegen.metrics.validity import compositional_validity, structural_validity

EMBEDDER = "alignn-formation-energy"
"""The network behind Fréchet distances and energies, unless another is given."""

_SOFTWARE = ("ase", "chgnet", "matminer", "pymatgen", "scipy", "smact", "spglib")


class Metric(NamedTuple):
    """A metric.

    Attributes:
        compute: measures it.
        protocol: how, in one line; figures of another protocol are not comparable.
        version: grows when the figures of the same structures change.
        needs: "reference" or "train", if anything beside the generated structures.
        packages: which the extra `metrics` installs.
    """

    compute: Callable[[Inputs], Figures]
    protocol: str
    version: int
    needs: str = ""
    packages: tuple[str, ...] = ()


METRICS: dict[str, Metric] = {
    "validity": Metric(
        structural_validity,
        "share of all generated structures; published: no two atoms, own images included, under 0.5 Å and at least "
        "0.1 Å³; gate: asegen.structure_checks.check_atoms",
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
        "gate, not relaxed",
        1,
        "reference",
    ),
    "fad": Metric(
        alignn_distance,
        "squared Fréchet distance of ALIGNN embeddings, structures that pass the gate; normal interval from 50 "
        "bootstrap samples of both sides; comparable only for the same network and numbers of structures",
        1,
        "reference",
    ),
    "coverage": Metric(
        coverage,
        "CDVAE's COV: nearest site-mean CrystalNN fingerprint (ops) within 0.4 and nearest Magpie vector within 10, "
        "standardised by the mean and deviation of the reference (CDVAE: of its own training data); recall: share of "
        "the references that pass the gate; precision: share of all generated structures; 30 s a fingerprint",
        1,
        "reference",
        ("matminer",),
    ),
    "fd-crystalnn": Metric(
        crystalnn_distance,
        "squared Fréchet distance of site-mean CrystalNN fingerprints (ops), structures that pass the gate",
        1,
        "reference",
        ("matminer",),
    ),
    "match": Metric(
        match_rate,
        "StructureMatcher(stol=0.5, ltol=0.3, angle_tol=10), generated and reference structures of the same id, share "
        "of all references; RMSE of those matched, in (V/n)^(1/3); 20 s a pair",
        1,
        "reference",
    ),
    "metre": Metric(
        match_everyone,
        "StructureMatcher(stol=0.5, ltol=0.3, angle_tol=10), each reference against all generated structures of its "
        "formula, share of all references; cRMSE: 0.5 for a reference without match; 20 s a pair",
        1,
        "reference",
    ),
    "discovery": Metric(
        discovery,
        "share of all generated structures; unique: passes the gate and is like no earlier one; novel: passes the gate "
        "and is like none of train; alike by StructureMatcher(stol=0.3, ltol=0.2, angle_tol=5); 20 s a pair, which "
        "then counts as unlike; stable: energy_above_hull as given with the structures, at most 0 or 0.1 eV/atom",
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
) -> Evaluation:
    """Measures how good generated crystals are.

    Worker processes are fresh interpreters: a script that calls this needs `if __name__ == "__main__":`.

    Args:
        generated: a file that `asegen.atoms.read_structures` reads, or Atoms. Nothing is too broken to be counted.
        reference: real crystals, such as the test split; generated ones are paired with them by `material_id`.
        train: real crystals that the generator has seen.
        metrics: names out of `METRICS`; by default all for which there are structures and packages.
        jobs: worker processes; no figure depends on it.
        report: told what is done, and how much of it.
        embedder: what Fréchet distances and energies rest on: a shipped model's name, the path of weights, or another
            network behind the same interface.
        cache: a folder that keeps fingerprints, and what a network of this package made of crystals, for the next run.

    Raises:
        InputError: a file that can't be read or is empty; an unknown metric, or one whose structures or packages are
            missing.
        AsegenError: worker processes cannot be started.
    """
    names = _chosen(metrics, {"reference": reference is not None, "train": train is not None})
    sides = [() if side is None else as_samples(side) for side in (generated, reference, train)]
    inputs = Inputs(sides[0], sides[1], sides[2], jobs, report, lambda: _embedder(embedder, cache), cache)
    found = {}
    for done, name in enumerate(names):
        report(name, done, len(names))
        metric = METRICS[name]
        found[name] = Measurement(metric.protocol, metric.version, **vars(metric.compute(inputs)))
    structures = dict(zip(("generated", "reference", "train"), map(len, sides), strict=True))
    return Evaluation(found, structures, _software())


def _chosen(names: Sequence[str] | None, given: dict[str, bool]) -> list[str]:
    if names is None:
        return [
            name
            for name, metric in METRICS.items()
            if given.get(metric.needs, True) and all(_installed(package) for package in metric.packages)
        ]
    for name in names:
        if name not in METRICS:
            raise InputError(f"no metric {name!r}; there are: {', '.join(METRICS)}")
        metric = METRICS[name]
        if not given.get(metric.needs, True):
            raise InputError(f"the metric {name!r} needs {metric.needs} structures")
        for package in metric.packages:
            if not _installed(package):
                raise InputError(f"the metric {name!r} needs {package}: pip install 'asegen[metrics]'")
    return [name for name in METRICS if name in names]


def _embedder(embedder: str | Embedder, cache: Path | None) -> Embedder:
    if not isinstance(embedder, str):
        return embedder
    from asegen.metrics.embedding import NetworkEmbedder  # torch, which worker processes do without

    return NetworkEmbedder(embedder, cache)


def _installed(package: str) -> bool:
    try:
        return bool(version(package))
    except PackageNotFoundError:
        return False


def _software() -> dict[str, str]:
    return {"asegen": __version__} | {name: version(name) for name in _SOFTWARE if _installed(name)}
