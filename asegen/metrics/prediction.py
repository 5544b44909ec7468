"""Structure prediction: how many of the real crystals are found again, and how exactly."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from asegen.metrics.inputs import Figures, Inputs, Sample, reduced_formula
from asegen.metrics.matching import STOL, kept_distances
from asegen.metrics.registry import installed
from asegen.metrics.validity import valid_compositions
from asegen.parallel.timed_map import Failed

Pair = tuple[int, int]
"""Indices of a reference and of a generated structure."""


def match_rate(inputs: Inputs) -> Figures:
    """Share of the references that the structure generated for them matches, and the mean distance of those matched.

    Generated structures belong to the reference of the same id. With several for an id, the first one counts, and
    beside it the best of all. References without a structure count as not matched. With smact there is also the share
    where the composition is valid too, since the scripts of CDVAE and its followers give up on other structures.
    """
    owned = defaultdict(list)
    for k, sample in enumerate(inputs.generated):
        owned[sample.id].append(k)
    samples = [owned.get(reference.id, []) for reference in inputs.reference]
    distances, failed = _distances(inputs, [(i, k) for i, found in enumerate(samples) for k in found])
    first = [distances.get((i, found[0])) if found else None for i, found in enumerate(samples)]
    best = [_smallest(distances.get((i, k)) for k in found) for i, found in enumerate(samples)]
    values = _rate_and_error(first, "")
    if installed("smact"):
        valid = [verdict is True for verdict in valid_compositions(inputs)]
        kept = [None if not found or not valid[found[0]] else first[i] for i, found in enumerate(samples)]
        values["match_rate_valid_compositions"] = _rate_and_error(kept, "")["match_rate"]
    most = max(map(len, samples), default=0)
    if most > 1:
        values |= _rate_and_error(best, "_best")
    without = sum(not found for found in samples)
    counts = {"references": len(samples), "references_without_structure": without, "pairs_without_answer": failed}
    counts["most_structures_of_a_reference"] = most
    return Figures(values, counts, (f"{without} references have no structure of their id",) if without else ())


def match_everyone(inputs: Inputs) -> Figures:
    """METRe and cRMSE (Martirossyan et al., 2025): each reference against all that was generated.

    METRe is the share of the references that any generated structure matches; cRMSE the mean over all references of
    the smallest distance, `STOL` where nothing matches. Both are deaf to ids, and to which polymorph was asked for.
    """
    by_formula = defaultdict(list)
    for k, sample in enumerate(inputs.generated):
        by_formula[_formula(sample)].append(k)
    formulas = [_formula(reference) for reference in inputs.reference]
    pairs = [(i, k) for i, formula in enumerate(formulas) for k in by_formula.get(formula, []) if formula]
    distances, failed = _distances(inputs, pairs)
    nearest: dict[int, list[float]] = defaultdict(list)
    for (i, _), distance in distances.items():
        if distance is not None:
            nearest[i].append(distance)
    found = [min(nearest[i]) for i in nearest]
    n = len(inputs.reference)
    values = {"metre": len(found) / n, "crmse": (sum(found) + STOL * (n - len(found))) / n}
    return Figures(values, {"references": n, "pairs": len(pairs), "pairs_without_answer": failed})


def _distances(inputs: Inputs, pairs: Sequence[Pair]) -> tuple[dict[Pair, float | None], int]:
    """The distance of each pair that could match, and how many pairs took too long or failed."""
    formulas = [[_formula(sample) for sample in side] for side in (inputs.reference, inputs.generated)]
    possible = [(i, k) for i, k in pairs if formulas[0][i] and formulas[0][i] == formulas[1][k]]
    structures: list[Any] = [(inputs.reference[i].atoms, inputs.generated[k].atoms) for i, k in possible]
    results = kept_distances(structures, inputs, "matching")
    distances = {
        pair: None if isinstance(result, Failed) else result for pair, result in zip(possible, results, strict=True)
    }
    return distances, sum(isinstance(result, Failed) for result in results)


def _formula(sample: Sample) -> str:
    """The reduced formula; empty where the gate refuses the structure, which then matches nothing."""
    return "" if sample.atoms is None or sample.reason else reduced_formula(sample.atoms)


def _smallest(distances: Iterable[float | None]) -> float | None:
    return min((distance for distance in distances if distance is not None), default=None)


def _rate_and_error(distances: Sequence[float | None], suffix: str) -> dict[str, float]:
    matched = [distance for distance in distances if distance is not None]
    error = float(np.mean(matched)) if matched else float("nan")
    return {f"match_rate{suffix}": len(matched) / len(distances), f"rmse{suffix}": error}
