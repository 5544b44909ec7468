"""Energies above the hull of relaxed true crystals, and of elemental crystals above their ground state."""

from __future__ import annotations

import argparse

import numpy as np
from numpy.typing import NDArray

from asegen.potentials.engine import find_engine
from asegen.potentials.minimise import minimise
from asegen.potentials.references import references_of
from asegen.screening import screen
from verdicts.crystals import NEAR, drawn


def hull_table(args: argparse.Namespace) -> None:
    """Errors of energies above the hull, of true crystals relaxed."""
    for name in args.calculator:
        folder = args.workdir / f"hull-{name}-{args.n}-{args.max_atoms}-{args.seed}"
        crystals = drawn(args.file, args.n, (1, args.max_atoms), args.seed)
        stages = ["relax", "hull"]
        found = screen(crystals, folder, name, stages=stages, relaxer=None, jobs=1)
        pairs = [
            (result["e_known"], float(crystals[result.index].info["energy_above_hull"]))
            for result in found
            if result.status == "ok" and result["e_known"] is not None
        ]
        errors = {result["e_hull_error"] for result in found} - {None}
        calls = [result["force_calls"] for result in found if result["force_calls"]]
        print(f"\n{name}: {len(pairs)} of {len(crystals)} crystals, {sum(calls)} force calls, stated error {errors}")
        report_errors(np.array(pairs))


def report_errors(pairs: NDArray[np.float64]) -> None:
    """Prints errors, and how often "stable within `NEAR`" agrees; (n, 2): computed and true, eV/atom."""
    change = pairs[:, 0] - pairs[:, 1]
    spread = np.abs(change).std() / np.sqrt(len(change))
    print(
        f"  |error| mean {np.abs(change).mean():.4f} ± {spread:.4f}, median {np.median(np.abs(change)):.4f},", end=" "
    )
    print(f"bias {change.mean():+.4f}, 95 % within {np.quantile(np.abs(change), 0.95):.3f} eV/atom")
    said, true = (pairs[:, k] <= NEAR for k in (0, 1))
    hits = int((said & true).sum())
    precision, recall = hits / max(said.sum(), 1), hits / max(true.sum(), 1)
    f1 = 2 * precision * recall / max(precision + recall, 1e-9)
    print(f"  stable within {NEAR}: {true.sum()} are, {said.sum()} are said to be; ", end="")
    print(f"precision {precision:.3f}, recall {recall:.3f}, F1 {f1:.3f}; ", end="")
    share = true.mean()
    print(f"calling all stable: F1 {2 * share / (1 + share):.3f}")


def elements_table(args: argparse.Namespace) -> None:
    """Errors of the energies of elemental crystals above the ground state, with the two values of an atom."""
    crystals = [
        atoms for atoms in drawn(args.file, None, (1, args.max_atoms), args.seed) if len(set(atoms.symbols)) == 1
    ]
    for name in args.calculator:
        engine = find_engine(name)
        references = references_of(engine)
        assert references is not None, "its references were never fitted"
        calculator, rows = engine.calculator(), []
        for atoms in crystals[: args.n]:
            symbol, true = atoms.symbols[0], float(atoms.info["energy_above_hull"])
            if np.isfinite(true) and symbol in references.crystals:
                energy = minimise(atoms, calculator, args.fmax, 200).enthalpy
                rows.append((true, energy - references.crystals[symbol], energy - references.energies[symbol]))
        table = np.array(rows)
        for label, chosen in (("all", table), (f"within {NEAR}", table[table[:, 0] < NEAR])):
            errors = np.abs(chosen[:, 1:] - chosen[:, :1]).mean(0)
            print(
                f"{name}, {label}, {len(chosen)}: by crystals {errors[0]:.4f}, by fitted values {errors[1]:.4f} eV/atom"
            )
