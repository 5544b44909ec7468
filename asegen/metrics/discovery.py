"""How many of the generated crystals are different ones, and new ones."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from math import isfinite

from ase import Atoms

from asegen.metrics.errors import with_errors
from asegen.metrics.inputs import Figures, Inputs, reduced_formula, valid
from asegen.metrics.matching import kept_sameness
from asegen.parallel.timed_map import Failed

STABLE = {"": 0.0, "_within_100_mev": 0.1}
"""Ends of the names of shares -> highest energy above the hull, eV/atom."""


def discovery(inputs: Inputs) -> Figures:
    """Shares of the generated structures that are unique, novel against the training crystals, stable, and all three.

    The first structure of a kind counts as unique, later ones like it don't: a structure is compared with the unique
    ones before it, since being alike within tolerances is not transitive.
    """
    structures, n = inputs.valid_generated, len(inputs.generated)
    unique, failed = unique_structures(structures, inputs)
    values = {"unique": len(unique) / n}
    counts = {"structures": n, "valid": len(structures), "unique": len(unique)}
    notes = ["no training crystals: novelty not measured"]
    novel: set[int] = set()
    if inputs.train:
        novel, failed_here = _unlike_train(structures, inputs)
        failed += failed_here
        values |= {"novel": len(novel) / n, "unique_and_novel": len(unique & novel) / n}
        counts |= {"novel": len(novel), "unique_and_novel": len(unique & novel), "train": len(inputs.train)}
        notes = []
    sought = unique & novel if inputs.train else None
    stable, using = _stability(inputs, sought)
    values |= stable
    if not stable:
        notes.append("no structure has an energy_above_hull or e_hull: stability not measured")
    using = using | {"alike_by": str(inputs.protocol)}
    return Figures(with_errors(values, n), {**counts, "pairs_without_answer": failed}, tuple(notes), using)


def _stability(inputs: Inputs, sought: set[int] | None) -> tuple[dict[str, float], dict[str, str]]:
    """Shares that are stable, and stable among those sought; with what the energies were computed."""
    samples = [sample for sample in inputs.generated if sample.atoms is not None and not sample.reason]
    if not any(isfinite(sample.above_hull) for sample in samples):
        return {}, {}
    shares = {}
    for name, limit in STABLE.items():
        stable = {k for k, sample in enumerate(samples) if sample.above_hull <= limit}  # NaN is not
        shares[f"stable{name}"] = len(stable) / len(inputs.generated)
        if sought is not None:
            shares[f"sun{name}"] = len(stable & sought) / len(inputs.generated)
    named = {sample.calculator or "not said" for sample in samples if isfinite(sample.above_hull)}
    return shares, {"energies_by": ", ".join(sorted(named))}


def unique_structures(structures: Sequence[Atoms], inputs: Inputs) -> tuple[set[int], int]:
    """Places of the structures that are like none of the unique ones before them, and how many pairs have no answer.

    Args:
        structures: each passes the gate.
        inputs: protocol, workers and cache.
    """
    bins = _bins(structures)
    pairs = [(later, earlier) for of in bins.values() for j, later in enumerate(of) for earlier in of[:j]]
    alike, failed = _alike([(structures[k], structures[j]) for k, j in pairs], "uniqueness", inputs)
    duplicates = defaultdict(list)
    for (later, earlier), same in zip(pairs, alike, strict=True):
        if same:
            duplicates[later].append(earlier)
    unique: set[int] = set()
    for k in range(len(structures)):
        if not any(earlier in unique for earlier in duplicates[k]):
            unique.add(k)
    return unique, failed


def _unlike_train(structures: Sequence[Atoms], inputs: Inputs) -> tuple[set[int], int]:
    known = valid(inputs.train)
    bins = _bins(known)
    pairs = [(k, j) for k, atoms in enumerate(structures) for j in bins.get(reduced_formula(atoms), [])]
    alike, failed = _alike([(structures[k], known[j]) for k, j in pairs], "novelty", inputs)
    seen = {k for (k, _), same in zip(pairs, alike, strict=True) if same}
    return set(range(len(structures))) - seen, failed


def novel_structures(structures: Sequence[Atoms], inputs: Inputs) -> set[int]:
    """Places of the structures that are like none of train; without train, like no known crystal inside the package.

    Args:
        structures: each passes the gate.
        inputs: protocol, workers and cache.
    """
    if inputs.train:
        return _unlike_train(structures, inputs)[0]
    from asegen.metrics.novelty import newness  # loads the known crystals

    return {k for k, one in enumerate(newness(structures, inputs)) if one is not None and one.is_novel}


def _bins(structures: Sequence[Atoms]) -> dict[str, list[int]]:
    bins = defaultdict(list)
    for k, atoms in enumerate(structures):
        bins[reduced_formula(atoms)].append(k)
    return bins


def _alike(pairs: Sequence[tuple[Atoms, Atoms]], task: str, inputs: Inputs) -> tuple[list[bool], int]:
    results = kept_sameness(pairs, inputs, task)
    return [result is True for result in results], sum(isinstance(result, Failed) for result in results)
