"""The table of all variants, and a picture of what one found."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from ase import Atoms
from ase.data import chemical_symbols

from asegen.discovery.cells import Cell
from asegen.discovery.families import families
from asegen.metrics.stability import METASTABLE
from asegen.prototypes import novelty
from discovered.judging import is_msun
from discovered.variants import VARIANTS, known_cells


def table(args: argparse.Namespace) -> None:
    """Prints a column of Markdown for each variant that was run."""
    known = {name: json.loads((args.out / f"{name}.json").read_text()) for name in VARIANTS
             if (args.out / f"{name}.json").exists()}  # fmt: skip
    columns = {name: _column(of) for name, of in known.items() if "relaxed" in of}
    print("| | " + " | ".join(columns) + " |")
    print("| --- |" + " --- |" * len(columns))
    for label in next(iter(columns.values())):
        print(f"| {label} | " + " | ".join(column[label] for column in columns.values()) + " |")


def _column(known: dict[str, Any]) -> dict[str, str]:
    rows, drawn = known["relaxed"]["rows"], known["drawn"]
    good = [row for row in rows if "e_hull" in row]
    msun = [row for row in rows if is_msun(row)]
    shares: dict[str, Callable[[dict[str, Any]], object]] = {
        "valid, %": lambda row: row["valid"],
        "unique, %": lambda row: row.get("unique"),
        "novel composition, %": lambda row: row.get("known_composition") is False,
        "novel structure, %": lambda row: row.get("novel"),
        "of a type that no known crystal has, %": lambda row: row.get("kind") == novelty.NEW_TYPE,
        "converged, %": lambda row: row.get("converged"),
        "metastable, %": lambda row: row.get("e_hull", 9) <= METASTABLE,
        "stable, %": lambda row: row.get("e_hull", 9) <= 0,
        "**M.S.U.N.**, %": is_msun,
        "**S.U.N.**, %": lambda row: is_msun(row, 0.0),
    }
    found = {"structures": str(len(rows))}
    found |= {label: _share([bool(holds(row)) for row in rows]) for label, holds in shares.items()}
    found["of M.S.U.N., of a new type, %"] = _share([row["kind"] == novelty.NEW_TYPE for row in msun])
    found["above the hull, eV/atom: mean"] = _mean([row["e_hull"] for row in good], 3)
    found["median"] = f"{np.median([row['e_hull'] for row in good]):.3f}" if good else ""
    found["RMSD to relaxed, Å"] = _mean([row["rmsd"] for row in good if row["converged"]], 2)
    found["lanthanide, Sc or Y, of M.S.U.N., %"] = _share([_has_rare_earth(row["formula"]) for row in msun])
    second = known.get("second", {}).get("rows", [])
    known_first = [rows[row["place"]] for row in second]
    pairs = list(zip(second, known_first, strict=True))
    found["M.S.U.N. by CHGNet, smaller crystals, %"] = _share([is_msun(row) for row in known_first])
    found["M.S.U.N. by SevenNet, the same, %"] = _share([is_msun(one | {"e_hull": of["e_hull"]}) for of, one in pairs])
    found["S.U.N. by SevenNet, the same, %"] = _share(
        [is_msun(one | {"e_hull": of["e_hull"]}, 0.0) for of, one in pairs]
    )
    verdicts = [row["verdict"] for row in known.get("phonons", {}).get("rows", []) if row["verdict"]]
    found["phonons stable, of M.S.U.N., %"] = _share([verdict == "stable" for verdict in verdicts])
    found["compositions tried"] = str(drawn["tried"])
    found["CPU s for each structure"] = f"{drawn['cpu'] / max(1, len(rows)):.1f}"
    found["CPU s for each M.S.U.N."] = f"{drawn['cpu'] / max(1, len(msun)):.1f}"
    return found


def _share(flags: Sequence[bool]) -> str:
    """A percentage with the standard error of a share and the number that it is of."""
    if not flags:
        return "–"
    share, n = float(np.mean(flags)), len(flags)
    return f"{100 * share:.0f} ± {100 * np.sqrt(share * (1 - share) / n):.0f} ({n})"


def _mean(values: Sequence[float], digits: int) -> str:
    if len(values) < 2:
        return "–"
    return f"{np.mean(values):.{digits}f} ± {np.std(values, ddof=1) / np.sqrt(len(values)):.{digits}f}"


def _has_rare_earth(formula: str) -> bool:
    return "lanthanide" in families(sorted(set(Atoms(formula).numbers.tolist())))


def picture(args: argparse.Namespace) -> None:
    """Draws elements and anonymous formulas of the metastable, unique and novel crystals beside the known ones."""
    cells = known_cells()
    rows = json.loads((args.out / f"{args.variant}.json").read_text())["relaxed"]["rows"]
    found = [Cell.of(1, Counter(Atoms(row["formula"]).numbers.tolist())) for row in rows if is_msun(row)]
    figure, axes = plt.subplots(2, 1, figsize=(10, 6), layout="constrained")
    kinds: tuple[tuple[Callable[[Cell], list[str]], str], ...] = (
        (lambda cell: [chemical_symbols[z] for z in cell.numbers], "crystals with the element, %"),
        (lambda cell: [_anonymous(cell)], "crystals with the anonymous formula, %"),
    )
    for axis, (names, label) in zip(axes, kinds, strict=True):
        _bars(axis, [names(cell) for cell in cells], [names(cell) for cell in found], label)
    axes[0].legend([f"{len(cells)} known crystals", f"{len(found)} found"], frameon=False)
    figure.savefig(args.file, dpi=100)


def _bars(axis: Any, known: Sequence[list[str]], found: Sequence[list[str]], label: str) -> None:
    """The 40 commonest names of both sides together."""
    shares = [Counter(name for own in side for name in own) for side in (known, found)]
    sizes = [max(1, len(side)) for side in (known, found)]
    total = {name: shares[0][name] / sizes[0] + shares[1][name] / sizes[1] for name in shares[0] | shares[1]}
    names = sorted(total, key=lambda name: -total[name])[:40]
    for side, (count, size) in enumerate(zip(shares, sizes, strict=True)):
        axis.bar(np.arange(len(names)) + 0.4 * side, [100 * count[name] / size for name in names], 0.4)
    axis.set_xticks(np.arange(len(names)) + 0.2, names, rotation=90, fontsize=8)
    axis.set_ylabel(label)


def _anonymous(cell: Cell) -> str:
    letters = zip("ABCDEFGH", cell.anonymous, strict=False)
    return "".join(f"{letter}{n if n > 1 else ''}" for letter, n in letters)
