"""The tables as they are printed, published figures beside."""

from __future__ import annotations

import json
from pathlib import Path

from empnn.cells import SETS, SIGMA, Cell
from empnn.potentials import energies

PUBLISHED: dict[tuple[int, str], dict[str, tuple[float, float]]] = {
    (1, "parameters-mae"): {"carbon_24": (0.696, 8.39), "mp": (0.785, 5.09), "perov_5": (0.967, 15.2)},
    (1, "parameters-mse"): {"carbon_24": (0.677, 8.15), "mp": (0.710, 4.75), "perov_5": (0.983, 15.4)},
    (1, "metric-mae"): {"carbon_24": (0.599, 4.31), "mp": (0.540, 1.67), "perov_5": (0.964, 15.1)},
    (1, "metric-mse"): {"carbon_24": (0.655, 5.56), "mp": (0.683, 2.65), "perov_5": (0.974, 15.0)},
    (1, "riemann"): {"carbon_24": (0.637, 5.35), "mp": (0.729, 3.78), "perov_5": (0.967, 15.4)},
    (2, "baseline"): {"carbon_24": (-0.191, -5.28), "mp": (-0.304, -3.30), "perov_5": (0.303, 6.44)},
    (2, "chgnet"): {"carbon_24": (0.164, 5.44), "mp": (0.345, 5.65), "perov_5": (0.150, -1.45)},
    (2, "gpaw"): {"carbon_24": (0.164, 5.44), "mp": (0.345, 5.65), "perov_5": (0.150, -1.45)},
    (2, "best ket-bra"): {"carbon_24": (0.084, 1.27), "mp": (0.115, 1.44), "perov_5": (0.296, 5.77)},
    (2, "best gradient"): {"carbon_24": (0.107, 1.28), "mp": (0.106, 1.48), "perov_5": (0.293, 5.56)},
    (2, "best gradient-sym"): {"carbon_24": (0.100, 1.38), "mp": (0.124, 1.16), "perov_5": (0.291, 5.62)},
    (3, "baseline"): {"carbon_24": (0.469, 13.7), "mp": (0.534, 6.32)},
    (3, "ketbra-both"): {"carbon_24": (0.200, 3.20), "mp": (0.174, 1.97)},
}


def show(results: dict[str, dict[str, float]], cells: list[Cell]) -> None:
    """Prints the tables, published figures beside."""
    for table in sorted({cell.table for cell in cells}):
        improvement = "" if table == 3 else " improvement"
        print(f"\nTable {table}: length{improvement} and angle{improvement}, Å and degrees; σ = {SIGMA[table]}")
        for cell in (cell for cell in cells if cell.table == table and cell.name in results):
            found = results[cell.name]
            ours = " ".join(
                f"{found[name + improvement]:7.3f} ± {found[name + ' uncertainty']:.3f}" for name in ("length", "angle")
            )
            theirs = PUBLISHED.get((table, cell.row), {}).get(cell.data)
            beside = f"   published {theirs[0]:.3f} {theirs[1]:.2f}" if theirs else ""
            print(f"  {cell.row:20} {cell.data:10} seed {cell.seed}, {found['crystals']} crystals {ours}{beside}")
    if any(cell.table == 2 for cell in cells):
        for (table, row), best in PUBLISHED.items():
            if table == 2 and row.startswith("best"):
                print(f"  published, {row}: {best}")


def show_energies(results: dict[str, dict[str, float]], cells: list[Cell], data: Path, out: Path) -> None:
    """Prints what the best row of each block of Tables 1 and 2 does to CHGNet's energy, eV per atom."""
    place = out / "energies.json"
    known = json.loads(place.read_text()) if place.exists() else {}
    for cell in best_of_blocks(results, cells):
        if cell.name not in known:
            known[cell.name] = energies(cell, data, out)
            place.write_text(json.dumps(known, indent=1) + "\n")
        print(cell.name, {name: round(value, 3) for name, value in known[cell.name].items()})


def best_of_blocks(results: dict[str, dict[str, float]], cells: list[Cell]) -> list[Cell]:
    """Of each block and each data set the row with the best improvement of lengths, first seed.

    Table 1 is one block.
    """
    best = []
    for table, start in ((1, ""), (2, "ketbra-"), (2, "gradient-"), (2, "moments")):
        for data in SETS:
            block = [c for c in cells if c.table == table and c.data == data and c.row.startswith(start)]
            done = [cell for cell in block if cell.name in results]
            best += sorted(done, key=lambda cell: -results[cell.name]["length improvement"])[:1]
    return best
