"""Crystals that are like none of a training set: whether they are found, as drawn and after relaxation."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from ase import Atoms

from asegen.metrics.matching import rms_distance, same_crystal
from asegen.potentials.engine import Engine, find_engine
from asegen.potentials.minimise import minimise
from asegen.structures.validity import check_atoms
from asegen.symmetry.symbols import crystal_system
from by_symmetry.drawing import drawn, kept, rows, source_of, wanted

SAMPLES = (1, 10, 50)
MOST_RELAXED = 8
"""Distinct structures of one crystal that are relaxed before it counts as not found."""
STEPS = 120
"""Of a relaxation in `rediscovery`."""


def rediscovery_table(test: Path, train: Path, workdir: Path, by: str, n: int, calculator: str | None) -> None:
    """How many of n crystals that aren't in the training set are found, before and after relaxation.

    All samples are drawn only of those crystals that the first one misses.
    """
    chosen = kept(workdir / f"unknown-{n}.extxyz", lambda: unknown(rows(test), rows(train), n))
    source = source_of(by, quick=True)
    targets = wanted(chosen, source)
    folder = workdir / f"rediscovery-{by}-{len(chosen)}"
    engine = None if calculator is None else find_engine(calculator)
    found: dict[bool, dict[str, dict]] = {}
    for samples in (1, SAMPLES[-1]):
        structures = defaultdict(list)
        for atoms in drawn(source, targets, samples, 1, folder / f"{samples}"):
            structures[atoms.info["material_id"]].append(atoms)
        for relaxed in (False, True) if engine else (False,):
            ledger = folder / f"{'relaxed' if relaxed else 'drawn'}-{samples}.jsonl"
            own = found.setdefault(relaxed, {})
            own |= looked_for(chosen, structures, engine if relaxed else None, ledger)
            show_found(chosen, own, by, relaxed)
        missed = {name for own in found.values() for name, row in own.items() if row["place"] is None}
        targets = [target for target in targets if target.material_id in missed]


def unknown(test: Sequence[Atoms], train: Sequence[Atoms], n: int) -> list[Atoms]:
    """Random crystals, n of them, that match none of the same formula in a training set."""
    by_formula = defaultdict(list)
    for atoms in train:
        by_formula[atoms.get_chemical_formula(empirical=True)].append(atoms)
    found: list[Atoms] = []
    for k in np.random.default_rng(2).permutation(len(test)):
        alike = by_formula[test[k].get_chemical_formula(empirical=True)]
        if len(found) < n and all(rms_distance(atoms, test[k]) is None for atoms in alike):
            found.append(test[k])
    return found


def first_match(real: Atoms, structures: Sequence[Atoms]) -> int | None:
    """Place of the first structure that is the crystal."""
    return next((k for k, atoms in enumerate(structures) if rms_distance(real, atoms) is not None), None)


def first_relaxed_match(real: Atoms, structures: Sequence[Atoms], engine: Engine) -> tuple[int | None, int]:
    """The same after relaxation of the distinct ones in order, `MOST_RELAXED` at most, and the force calls."""
    tried: list[Atoms] = []
    calls = 0
    for k, atoms in enumerate(structures):
        if check_atoms(atoms) is not None or any(same_crystal((atoms, other)) for other in tried):
            continue
        if len(tried) == MOST_RELAXED:
            break
        tried.append(atoms)
        try:
            end = minimise(atoms, engine.calculator(), fmax=0.05, steps=STEPS)
        except Exception as error:  # every calculator fails in its own way
            print(f"{real.info['material_id']}, {k}: {error}")
            continue
        calls += end.steps + 1
        if rms_distance(real, end.atoms) is not None:
            return k, calls
    return None, calls


def looked_for(
    chosen: Sequence[Atoms], structures: Mapping[str, Sequence[Atoms]], engine: Engine | None, ledger: Path
) -> dict[str, dict]:
    """Where each crystal is found among its structures, relaxed if there is an engine; a file keeps what is known."""
    lines = ledger.read_text().splitlines() if ledger.exists() else []
    found = {row["id"]: row for row in map(json.loads, lines)}
    for real in chosen:
        name = real.info["material_id"]
        if name in structures and name not in found:
            if engine is None:
                place, calls = first_match(real, structures[name]), 0
            else:
                place, calls = first_relaxed_match(real, structures[name], engine)
            found[name] = {"id": name, "place": place, "calls": calls}
            with ledger.open("a") as file:
                file.write(json.dumps(found[name]) + "\n")
    return found


def show_found(chosen: Sequence[Atoms], results: Mapping[str, dict], by: str, relaxed: bool) -> None:
    """Shares found with 1, 10 and 50 samples, in all and by crystal system; what could not be drawn isn't found."""
    table = defaultdict(list)
    for real in chosen:
        place = results.get(real.info["material_id"], {}).get("place")
        for key in ("all", crystal_system(real.info["group"])):
            table[key].append(np.inf if place is None else place)
    calls = sum(row["calls"] for row in results.values())
    print(f"found by {by}, {'after relaxation' if relaxed else 'as drawn'}, {calls} force calls")
    for key, places in table.items():
        shares = "".join(f"{np.mean(np.array(places) < k):10.3f}" for k in SAMPLES)
        print(f"    {key:14}{len(places):5}{shares}", flush=True)
