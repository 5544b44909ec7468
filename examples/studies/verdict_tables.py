"""How far the verdicts of a screening can be trusted: energies above the hull, force calls, phonons, five systems.

    python examples/studies/verdict_tables.py hull test.csv.gz -n 300 --workdir tables --calculator chgnet
    python examples/studies/verdict_tables.py calls val.csv.gz -n 100 --workdir tables
    python examples/studies/verdict_tables.py phonons --workdir tables --calculator chgnet --calculator 7net-0
    python examples/studies/verdict_tables.py displacements val.csv.gz -n 200 --max-atoms 10 --height 8 --workdir tables
    python examples/studies/verdict_tables.py systems -n 40 --workdir tables
    python examples/studies/verdict_tables.py elements crystals.csv.gz -n 100 --max-atoms 16

`hull`: crystals of a table with a column `energy_above_hull` (the Materials Project's, eV/atom) are relaxed from there
and placed above the shipped hull. `calls`: force calls and processor seconds of FIRE and BFGS for crystals that were
strained and rattled, or for the structures of a file as they are. `phonons`: verdicts on crystals whose dynamic
stability is known. `displacements`: verdicts on non-cubic crystals of a table that are on the hull, by three sizes of
the finite displacement. `systems`: chemical systems, drawn by `asegen generate` and screened with `--reference none`
and with the hull. `elements`: crystals of one element above its ground state, by the potential's energy of that crystal
and by the fitted value. Run again after an interruption, they do the rest. Without arguments, a little of all with EMT.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from ase.build import bulk
from ase.io import write
from verdicts.calls import calls_table
from verdicts.displacements import displacements_table
from verdicts.energies import elements_table, hull_table
from verdicts.phonons import phonons_table
from verdicts.systems import systems_table

TABLES = {
    "hull": hull_table,
    "calls": calls_table,
    "phonons": phonons_table,
    "displacements": displacements_table,
    "systems": systems_table,
    "elements": elements_table,
}
"""What each table is made by."""


def parsed() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", nargs="?", choices=tuple(TABLES))
    parser.add_argument("file", nargs="?", type=Path, help="of structures, for hull, calls, elements and displacements")
    parser.add_argument("-n", type=int, default=100)
    parser.add_argument("--workdir", type=Path)
    parser.add_argument("--calculator", action="append")
    parser.add_argument("--min-atoms", type=int, default=1)
    parser.add_argument("--max-atoms", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--as-is", action="store_true", help="calls: structures are neither strained nor rattled")
    parser.add_argument("--fmax", type=float, default=0.05, help="calls: eV/Å")
    parser.add_argument("--height", type=float, default=12.0, help="phonons: Å, of supercells")
    parser.add_argument("--system", action="append", help="systems: only these")
    args = parser.parse_args()
    if args.table in ("hull", "calls", "elements", "displacements") and args.file is None:
        parser.error(f"{args.table} needs a file of structures")
    return args


def main() -> None:
    """Prints the table that is asked for."""
    args = parsed()
    with tempfile.TemporaryDirectory() as temporary:
        args.workdir = args.workdir or Path(temporary)
        args.workdir.mkdir(parents=True, exist_ok=True)
        if args.table is None:
            trial(args)
            return
        args.calculator = args.calculator or ["chgnet"]
        TABLES[args.table](args)


def trial(args: argparse.Namespace) -> None:
    """Force calls of a few alloys with EMT."""
    file, args.calculator = args.workdir / "metals.extxyz", ["emt"]
    write(file, [bulk(symbol, cubic=True) for symbol in ("Cu", "Al", "Ni", "Pd")])
    calls_table(argparse.Namespace(**{**vars(args), "file": file}))


if __name__ == "__main__":
    main()
