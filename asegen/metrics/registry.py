"""All metrics by name, each with its protocol, and what can be said of a choice of them before any is loaded.

To add a metric, write a function `Inputs -> Figures` (`asegen.metrics.inputs`) and name it in `METRICS`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import NamedTuple

from asegen.arguments import listed, real_number
from asegen.errors import InputError

EMBEDDER = "alignn-formation-energy"
"""The network behind FAD and energies, unless another is given."""
CGCNN = "cgcnn-formation-energy"
"""The network behind FD-CGCNN, unless another is given."""
ENERGIES = ("embedder", "chgnet")
"""What can predict the energies."""


class Metric(NamedTuple):
    """A metric.

    Attributes:
        function: that measures it, `module:name`.
        protocol: how, in one line; figures of another protocol are not comparable.
        version: grows when the figures of the same structures change.
        needs: "reference", if anything beside the generated structures.
        packages: which the extra `metrics` installs.
        on_request: whether it is measured only where it is named, or a potential is.
    """

    function: str
    protocol: str
    version: int
    needs: str = ""
    packages: tuple[str, ...] = ()
    on_request: bool = False


_INTERVAL = (
    "structures that pass the gate; normal interval from 50 bootstrap samples of both sides; comparable only for the "
    "same network and numbers of structures"
)

METRICS: dict[str, Metric] = {
    "validity": Metric(
        "asegen.metrics.validity:structural_validity",
        "share of all generated structures; published: no two atoms, own images included, under 0.5 Å and at least "
        "0.1 Å³; gate: asegen.structures.validity.check_atoms",
        1,
    ),
    "composition": Metric(
        "asegen.metrics.validity:compositional_validity",
        "share of all generated structures; smact, oxidation states smact14, Pauling test, elements and alloys valid",
        1,
        packages=("smact",),
    ),
    "density": Metric(
        "asegen.metrics.distributions:density_distance",
        "earth mover's distance, structures that pass the gate",
        1,
        "reference",
    ),
    "elements": Metric(
        "asegen.metrics.distributions:element_count_distance",
        "earth mover's distance of the number of distinct elements, structures that pass the gate",
        1,
        "reference",
    ),
    "energy": Metric(
        "asegen.metrics.frechet:energy_distance",
        "earth mover's distance of formation energies that a network predicts on both sides, structures that pass the "
        "gate, not relaxed; CHGNet's are its total energies less energies of the elements fitted to mp/train",
        1,
        "reference",
    ),
    "fad": Metric(
        "asegen.metrics.frechet:alignn_distance",
        f"squared Fréchet distance of ALIGNN embeddings, {_INTERVAL}",
        1,
        "reference",
    ),
    "fd-cgcnn": Metric(
        "asegen.metrics.frechet:cgcnn_distance",
        f"squared Fréchet distance of what the head of a CGCNN reads, the mean over atoms, {_INTERVAL}",
        1,
        "reference",
    ),
    "fd-chgnet": Metric(
        "asegen.metrics.frechet:chgnet_distance",
        f"squared Fréchet distance of CHGNet's crystal features, divided by the number of atoms, {_INTERVAL}; 60 CPU "
        "seconds a crystal",
        1,
        "reference",
        ("chgnet",),
    ),
    "coverage": Metric(
        "asegen.metrics.coverage:coverage",
        "CDVAE's COV: nearest site-mean CrystalNN fingerprint (ops) and nearest Magpie vector, standardised by the "
        "mean and deviation of the reference (CDVAE: constants of its training data), within the cutoffs; recall: "
        "share of the references that pass the gate; precision: share of all generated structures; 30 CPU seconds a "
        "fingerprint",
        1,
        "reference",
        ("matminer",),
    ),
    "fd-crystalnn": Metric(
        "asegen.metrics.coverage:crystalnn_distance",
        f"squared Fréchet distance of site-mean CrystalNN fingerprints (ops), {_INTERVAL}; 30 CPU seconds a "
        "fingerprint",
        1,
        "reference",
        ("matminer",),
    ),
    "match": Metric(
        "asegen.metrics.prediction:match_rate",
        "StructureMatcher(stol=0.5, ltol=0.3, angle_tol=10), generated and reference structures of the same id, share "
        "of all references; RMSE of those matched, in (V/n)^(1/3); valid compositions: by smact; 20 CPU seconds a "
        "pair",
        1,
        "reference",
    ),
    "metre": Metric(
        "asegen.metrics.prediction:match_everyone",
        "StructureMatcher(stol=0.5, ltol=0.3, angle_tol=10), each reference against all generated structures of its "
        "formula, share of all references; cRMSE: 0.5 for a reference without match; 20 CPU seconds a pair",
        1,
        "reference",
    ),
    "discovery": Metric(
        "asegen.metrics.discovery:discovery",
        "share of all generated structures; unique: passes the gate and is like no earlier one; novel: passes the gate "
        "and is like none of train; alike by StructureMatcher(stol=0.3, ltol=0.2, angle_tol=5), or as --protocol says; "
        "20 CPU seconds a pair, which then counts as unlike; stable: energy_above_hull or e_hull as given with the "
        "structures, at most 0 or 0.1 eV/atom",
        1,
    ),
    "novelty": Metric(
        "asegen.metrics.novelty:novelty",
        "share of all generated structures; known structure: like one of the 27,456 crystals inside the package; "
        "substitution: like one of them with other elements and another volume; new type: neither; tolerances of "
        "--protocol; novel composition: none of the 86,277 of the Materials Project's hull inside the package, nor of "
        "these crystals; novel structure: neither a known one nor of a known composition whose structures aren't at "
        "hand; 60 CPU seconds a structure",
        1,
    ),
    "stability": Metric(
        "asegen.metrics.stability:stability",
        "share of all generated structures; relaxed by the potential as they are, without pre-relaxation, fmax 0.05 "
        "eV/Å, at most 200 steps; energies above the Materials Project's hull (MP2020) inside the package; stable: at "
        "most 0, metastable: at most 0.1 eV/atom; S.U.N., M.S.U.N.: these, unique and novel once relaxed, against "
        "train, or else as the metric novelty has it; RMSD: of the atoms of those that converged, Å; 1800 CPU seconds "
        "a structure",
        1,
        on_request=True,
    ),
    "chemistry": Metric(
        "asegen.metrics.chemistry:chemistry",
        "structures that pass the gate; space groups by spglib within 0.1 Å; Jensen-Shannon divergences, base 2, of "
        "the mean shares of elements and of space groups; Herfindahl-Hirschman indices of the elements by weight",
        1,
    ),
    "amd": Metric(
        "asegen.metrics.invariants:amd_distances",
        "structures that pass the gate; Chebyshev distance of average minimum distances, 100 neighbours, elements "
        "don't count, Å; mean over generated structures of the nearest",
        1,
    ),
}
"""By name, in the order in which they are measured."""


def choose(names: str | Sequence[str] | None, has_reference: bool, has_potential: bool = False) -> list[str]:
    """The metrics to measure, in the order of `METRICS`.

    Args:
        names: those asked for, or one; by default all for which there are structures and packages.
        has_reference: whether there are reference structures.
        has_potential: whether a potential is named.

    Raises:
        InputError: an unknown metric, or one whose structures or packages are missing.
    """
    named = None if names is None else _named(names)
    unknown = [name for name in named or () if name not in METRICS]
    if unknown:
        raise InputError(f"no metric {unknown[0]!r}; there are: {', '.join(METRICS)}")
    default = [name for name, metric in METRICS.items() if has_potential or not metric.on_request]
    obstacles = {name: _obstacle(name, has_reference) for name in (default if named is None else named)}
    for name, obstacle in obstacles.items():
        if obstacle and named is not None:
            raise InputError(f"the metric {name!r} needs {obstacle}")
    return [name for name in METRICS if not obstacles.get(name, "not asked for")]


def _named(names: object) -> list[str]:
    several = listed(names) if isinstance(names, Iterable) else []
    if not several:
        raise InputError(f"metrics = {names!r:.60}: names are needed; there are: {', '.join(METRICS)}", "metrics")
    return several


def check_cutoffs(cutoffs: object) -> None:
    """Whether distances can be those within which COV calls crystals near.

    Args:
        cutoffs: of structures and of compositions.

    Raises:
        InputError: they aren't two positive numbers.
    """
    two = listed(cutoffs)
    if len(two) != 2 or not all(0 < real_number("cov_cutoffs", one) < math.inf for one in two):
        wrong = f"cov_cutoffs = {cutoffs!r:.60}: two positive distances are needed, such as (0.4, 10)"
        raise InputError(wrong, "cov_cutoffs")


def check_energy(energy: str) -> None:
    """Whether energies can be predicted that way.

    Args:
        energy: what predicts them.

    Raises:
        InputError: it is none of `ENERGIES`, or its package is missing.
    """
    if energy not in ENERGIES:
        raise InputError(f"no energies by {energy!r}; there are: {', '.join(ENERGIES)}")
    if energy == "chgnet" and not installed("chgnet"):
        raise InputError("energies by CHGNet need it: pip install 'asegen[metrics]'")


def installed(package: str) -> bool:
    """Whether a distribution of that name is there."""
    try:
        return bool(version(package))
    except PackageNotFoundError:
        return False


def _obstacle(name: str, has_reference: bool) -> str:
    """What a metric lacks; empty where it lacks nothing."""
    metric = METRICS[name]
    if metric.needs == "reference" and not has_reference:
        return "reference structures"
    for package in metric.packages:
        if not installed(package):
            return f"{package}: pip install 'asegen[metrics]'"
    return ""
