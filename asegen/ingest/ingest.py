"""From files of structures to splits of arrays: every row ends as a crystal or as a rejection with its reason."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence, Set
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from asegen.arguments import listed, whole_number
from asegen.crystals.crystals import Crystals
from asegen.data.shards import CrystalDataset, Rejected, count_kinds
from asegen.errors import InputError
from asegen.ingest.prepare import Prepared, Refused, prepare_all
from asegen.parallel.files import sha256
from asegen.parallel.machine import check_jobs
from asegen.structures.fields import BOOKKEEPING
from asegen.structures.formats import path_text
from asegen.structures.several import entries_of


def ingest(
    files: str | Path | Sequence[str | Path],
    *,
    jobs: int,
    max_atoms: int | None = None,
    targets: str | Sequence[str] | None = None,
    header: dict[str, Any] | None = None,
    on_start: Callable[[int], None] = lambda total: None,
    on_row: Callable[[], None] = lambda: None,
) -> tuple[CrystalDataset, list[Rejected]]:
    """Reads files into one dataset.

    Args:
        files: of any format that `read_entries` knows, or one.
        jobs: worker processes; the result does not depend on it.
        max_atoms: reject larger cells.
        targets: columns to keep, of crystals or of atoms, or one; by default all that hold numbers only,
            or true and false, which become 1 and 0.
        header: entries for the index besides sources and counts.
        on_start: told the number of rows before the work begins.
        on_row: called after each row.

    Returns:
        The crystals, Niggli-reduced and right-handed, in the order of the input, and what was rejected; together they
        are as many as the rows.

    Raises:
        InputError: what is no path, the only file cannot be read, a target is in no file, nothing was accepted, or a
            number of processes or atoms that can't be.
    """
    given = listed(files)
    if others := [one for one in given if not isinstance(one, str | Path)]:
        raise InputError(f"files: {others[0]!r:.60} is no path; ase.io.write writes Atoms into a file", "files")
    paths = [Path(file) for file in given]
    targets = None if targets is None else listed(targets)
    max_atoms = None if max_atoms is None else whole_number("max_atoms", max_atoms)
    check_jobs(jobs)
    entries = list(entries_of(paths))
    on_start(len(entries))
    accepted: list[Prepared] = []
    rejected: list[Rejected] = []
    owners = (path_text(file.name) for file, _ in entries)
    for owner, outcome in zip(owners, prepare_all((entry for _, entry in entries), max_atoms, jobs), strict=True):
        reason = outcome.reason if isinstance(outcome, Refused) else _bad_target(outcome, targets)
        if reason is None:
            assert isinstance(outcome, Prepared)
            accepted.append(outcome)
        else:
            rejected.append(Rejected(owner, outcome.row, outcome.id, reason))
        on_row()
    if not accepted:
        first = f": {rejected[0].reason}" if rejected else ""
        raise InputError(f"no crystal of {', '.join(file.name for file in paths)[:200]} was accepted{first}")
    rows = Counter(file for file, _ in entries)
    counts = {
        "sources": [{"file": path_text(file.name), "sha256": _hash(file), "rows": rows[file]} for file in paths],
        "rejected": dict(sorted(count_kinds(rejected).items())),
    }
    sites = {name for crystal in accepted for name in crystal.site_values}
    sites &= sites if targets is None else set(targets)
    names = _target_names(accepted, targets, sites)
    return _dataset(accepted, names, sorted(sites), {**(header or {}), **counts}), rejected


def _hash(file: Path) -> str | None:
    """SHA-256 of a file; None of one that can't be read, which is among the rejected."""
    try:
        return sha256(file)
    except OSError:
        return None


def _bad_target(outcome: Prepared, targets: Sequence[str] | None) -> str | None:
    for name in outcome.values if targets is None else targets:
        value = outcome.values.get(name, math.nan)
        if value is None and targets is not None:
            return f"bad target: {name} is not a number"
        if value is not None and math.isinf(value):
            return f"bad target: {name} is infinite"
    for name, values in outcome.site_values.items():
        if (targets is None or name in targets) and np.isinf(values).any():
            return f"bad target: {name} is infinite"
    return None


def _target_names(accepted: Sequence[Prepared], targets: Sequence[str] | None, sites: Set[str]) -> list[str]:
    found: dict[str, bool] = {}  # name -> numbers only, in order of appearance
    some: set[str] = set()
    for crystal in accepted:
        for name, value in crystal.values.items():
            found[name] = found.get(name, True) and value is not None
            if value is not None and not math.isnan(value):
                some.add(name)
    if targets is None:
        return sorted(name for name, numeric in found.items() if numeric and name in some and name not in BOOKKEEPING)
    missing = [name for name in targets if name not in found and name not in sites]
    if missing:
        there = ", ".join(sorted(found))[:200]
        raise InputError(f"no column {missing[0]!r} for targets (there are: {there})", "targets")
    return sorted({name for name in targets if name in found})


def _dataset(
    accepted: Sequence[Prepared], names: Sequence[str], sites: Sequence[str], header: dict[str, Any]
) -> CrystalDataset:
    crystals = Crystals(
        cell=torch.from_numpy(np.stack([crystal.cell for crystal in accepted])),
        scaled_positions=torch.from_numpy(np.concatenate([crystal.scaled_positions for crystal in accepted])),
        numbers=torch.from_numpy(np.concatenate([crystal.numbers for crystal in accepted]).astype(np.int64)),
        n_atoms=torch.tensor([len(crystal.numbers) for crystal in accepted]),
    )
    targets = {
        name: torch.tensor([_value(crystal, name) for crystal in accepted], dtype=torch.float64) for name in names
    }
    of_atoms = {
        name: torch.from_numpy(np.concatenate([_site_values(crystal, name) for crystal in accepted])) for name in sites
    }
    ids, notes = [crystal.id for crystal in accepted], [crystal.note for crystal in accepted]
    return CrystalDataset(crystals, targets, ids, header, of_atoms, notes=notes)


def _value(crystal: Prepared, name: str) -> float:
    value = crystal.values.get(name)
    return math.nan if value is None else value


def _site_values(crystal: Prepared, name: str) -> NDArray[np.float64]:
    return crystal.site_values.get(name, np.full(len(crystal.numbers), math.nan))
