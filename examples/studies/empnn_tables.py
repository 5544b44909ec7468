"""EMPNN's three published tables, on your splits: trains every row and measures it on the test split.

    for set in mp perov_5 carbon_24; do asegen ingest $set/{train,val,test}.csv.gz -o shards/$set; done
    python examples/studies/empnn_tables.py --data shards --out tables                     # every cell
    python examples/studies/empnn_tables.py --data shards --out tables --table 2 --rows chgnet gpaw
    python examples/studies/empnn_tables.py --data shards --out tables --table 2 --energies
    asegen train empnn-reconstruction --data shards/mp --out run
    python examples/studies/empnn_tables.py --data shards --weights run/last.safetensors  # Table 3, trained longer

Cells that are in OUT/results.json already are kept, so a stopped run goes on. Without arguments a few rock salts and
a few steps stand in. `improvement` is the mean error of the disturbed lattice less that of the network's, lengths (Å)
and angles (degrees); Table 3 gives the errors themselves. Published figures are printed beside.

Rows `chgnet` and `gpaw` relax the same disturbed crystals by a calculator, which has to be installed, on ASE's
FrechetCellFilter, in place of the paper's row `DFT`: `--relaxed` of them by CHGNet, the eight cheapest by GPAW.
Rows `gradient-sym-*` are the same models as `gradient-*`: their fields are twice as long (tests/models and tests/nn
show it), so they are trained only if they are named.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import torch
from ase.build import bulk
from ase.io import write
from empnn.cells import CALCULATED, ROWS, SETS, TWINS, Budget, Cell
from empnn.networks import measure_network, reconstruct
from empnn.potentials import is_there, measure_calculator
from empnn.printing import show, show_energies

from asegen.cli.main import main as asegen_command


def fill(cell: Cell, data: Path, out: Path) -> dict[str, float]:
    """Trains a cell's network, or asks its calculator, and measures it on the test split."""
    torch.set_num_threads(1)
    if cell.row in CALCULATED:
        return measure_calculator(cell, data / cell.data)
    return measure_network(cell, data, out)


def run(cells: list[Cell], data: Path, out: Path, jobs: int) -> dict[str, dict[str, float]]:
    """Fills the cells that aren't filled yet."""
    out.mkdir(parents=True, exist_ok=True)
    place = out / "results.json"
    results = json.loads(place.read_text()) if place.exists() else {}
    with ProcessPoolExecutor(jobs) as pool:
        waiting = {pool.submit(fill, cell, data, out): cell for cell in cells if cell.name not in results}
        for done in as_completed(waiting):
            results[waiting[done].name] = done.result()
            place.write_text(json.dumps(results, indent=1) + "\n")
    return results


def rock_salts(folder: Path) -> None:
    """Shards of a few crystals in place of the benchmark's."""
    crystals = [bulk(name, "rocksalt", a=a) for name in ("NaCl", "MgO", "LiF") for a in (4.2, 4.6, 5.0, 5.4)]
    for split, part in (("train", crystals[:8]), ("val", crystals[8:10]), ("test", crystals[10:])):
        write(folder / f"{split}.extxyz", part)
    files = [str(folder / f"{split}.extxyz") for split in ("train", "val", "test")]
    asegen_command(["ingest", *files, "-o", str(folder / "mp"), "--jobs", "1"])


def demonstration() -> None:
    """A few cells with a few steps on a few rock salts."""
    tiny = Budget(2, 48, 2, 1, width=16)
    few = [Cell(2, row, "mp", 1, tiny) for row in ("ketbra-cross", "baseline", "moments")]
    with tempfile.TemporaryDirectory() as here:
        rock_salts(Path(here))
        show(run(few, Path(here), Path(here) / "out", 1), few)


def wanted(args: argparse.Namespace) -> list[Cell]:
    """The cells that are asked for."""
    budget = Budget(args.steps, args.atoms, args.test, args.relaxed)
    every_row = dict.fromkeys(row for table in ROWS.values() for row in table)
    rows = [row for row in args.rows or every_row if is_there(row)]
    return [
        Cell(table, row, data, seed, budget)
        for table in ([args.table] if args.table else [2, 1, 3])
        for data in args.sets
        for seed in args.seeds
        for row in rows
        if row in (*ROWS[table], *(TWINS if table == 2 else ()))
    ]


def arguments() -> argparse.Namespace:
    """Of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder that holds the shards of mp, perov_5 and carbon_24")
    parser.add_argument("--out", type=Path, default=Path("tables"))
    parser.add_argument("--table", type=int, choices=(1, 2, 3), help="one of them only")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=SETS)
    parser.add_argument("--rows", nargs="+", help="some of them only")
    parser.add_argument("--steps", type=int, default=200, help="of each training")
    parser.add_argument("--atoms", type=int, default=200, help="of each batch")
    parser.add_argument("--test", type=int, default=500, help="crystals of the test split that are measured")
    parser.add_argument("--relaxed", type=int, default=500, help="crystals that CHGNet relaxes")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument(
        "--energies", action="store_true", help="of the test crystals by CHGNet, best row of each block"
    )
    parser.add_argument("--weights", type=Path, help="measure Table 3 on `mp` with weights of empnn-reconstruction")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    return parser.parse_args()


def main() -> None:
    """Fills and prints the cells that are asked for, or small ones."""
    args = arguments()
    if args.data is None:
        demonstration()
    elif args.weights is not None:
        for name, values in reconstruct(args.weights, args.data / "mp", 1000).items():
            print(f"{name}: {values['crystals']} crystals, {values['length']:.4f} Å, {values['angle']:.3f} degrees")
    else:
        cells = wanted(args)
        found = run(cells, args.data, args.out, args.jobs)
        show(found, cells)
        if args.energies:
            show_energies(found, cells, args.data, args.out)


if __name__ == "__main__":
    main()
