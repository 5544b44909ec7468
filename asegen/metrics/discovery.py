"""How many of the generated crystals are different ones, and new ones."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from ase import Atoms

from asegen.metrics.inputs import Figures, Inputs, reduced_formula, valid
from asegen.metrics.matching import TIME_LIMIT, same_crystal
from asegen.metrics.parallel import timed_map


def discovery(inputs: Inputs) -> Figures:
    """Shares of the generated structures that are unique, novel against the training crystals, and both.

    The first structure of a kind counts as unique, later ones like it don't: a structure is compared with the unique
    ones before it, since being alike within tolerances is not transitive.
    """
    structures, n = inputs.valid_generated, len(inputs.generated)
    unique, failed = _unique(structures, inputs)
    values = {"unique": len(unique) / n}
    counts = {"structures": n, "valid": len(structures), "unique": len(unique)}
    notes = ["no training crystals: novelty not measured"]
    if inputs.train:
        novel, failed_here = _novel(structures, inputs)
        failed += failed_here
        values |= {"novel": len(novel) / n, "unique and novel": len(unique & novel) / n}
        counts |= {"novel": len(novel), "unique and novel": len(unique & novel), "train": len(inputs.train)}
        notes = []
    return Figures(values, {**counts, "pairs without answer": failed}, tuple(notes))


def _unique(structures: Sequence[Atoms], inputs: Inputs) -> tuple[set[int], int]:
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


def _novel(structures: Sequence[Atoms], inputs: Inputs) -> tuple[set[int], int]:
    known = valid(inputs.train)
    bins = _bins(known)
    pairs = [(k, j) for k, atoms in enumerate(structures) for j in bins.get(reduced_formula(atoms), [])]
    alike, failed = _alike([(structures[k], known[j]) for k, j in pairs], "novelty", inputs)
    seen = {k for (k, _), same in zip(pairs, alike, strict=True) if same}
    return set(range(len(structures))) - seen, failed


def _bins(structures: Sequence[Atoms]) -> dict[str, list[int]]:
    bins = defaultdict(list)
    for k, atoms in enumerate(structures):
        bins[reduced_formula(atoms)].append(k)
    return bins


def _alike(pairs: Sequence[tuple[Atoms, Atoms]], task: str, inputs: Inputs) -> tuple[list[bool], int]:
    results = list(inputs.watch(task, timed_map(same_crystal, pairs, inputs.jobs, TIME_LIMIT), len(pairs)))
    return [result is True for result in results], sum(not isinstance(result, bool) for result in results)
