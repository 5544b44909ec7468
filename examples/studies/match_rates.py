"""How often the known crystal of a composition is among the first structures, its cell given or left open.

    for split in train test; do asegen ingest mp/$split.csv.gz -o shards/mp; done
    python examples/studies/match_rates.py --data shards/mp --workdir rates -n 300
    python examples/studies/match_rates.py --data shards/mp --workdir rates -n 300 --rank chgnet
    python examples/studies/match_rates.py --data shards/mp --workdir rates -n 300 --method diffusion --reduced

What `asegen generate` writes for the cell's formula ("Ti2O4"), or with `--reduced` for the reduced one ("TiO2"), is
compared with the crystal by StructureMatcher (stol 0.5, ltol 0.3, angle_tol 10). Crystals of a split are taken in the
random order of `hybrid_tables.py`; what is known of each stands in a line of the work folder, and a run goes on where
another was interrupted. All rows that the folder has are printed. Seconds are processor time.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from ase import Atoms
from hybrid_tables import ON_HULL, Record, folders, in_random_order, lines, rmse, share, table

from asegen import Generator
from asegen.calculators import Ranking, open_source
from asegen.data.shards import load_split
from asegen.generation.ranking import ENERGY, LIKELIHOOD
from asegen.metrics.matching import pair_distance

_DEPTHS = (1, 2, 3, 5, 20)


class Known(NamedTuple):
    """A crystal that is looked for.

    Attributes:
        name: its id.
        atoms: the crystal.
        above_hull: its energy above the hull, eV/atom.
    """

    name: str
    atoms: Atoms
    above_hull: float


def measure(path: Path, generator: Generator, known: Sequence[Known], n: int, reduced: bool) -> None:
    """Appends a line for each crystal that has none."""
    done = {record["id"] for record in lines(path)}
    for number, crystal in enumerate(known):
        if crystal.name in done:
            continue
        symbols = crystal.atoms.symbols.formula
        begun = time.process_time()
        drawn = generator.generate(str(symbols.reduce()[0]) if reduced else crystal.atoms, n, seed=1)
        seconds = time.process_time() - begun
        candidates = [{"rms": pair_distance((crystal.atoms, atoms))} for atoms in drawn]
        record = {"id": crystal.name, "above_hull": crystal.above_hull, "seconds": seconds, "candidates": candidates}
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
        if number % 20 == 0:
            print(f"{path.stem}: {number + 1} of {len(known)}", flush=True)


def as_written(record: Record) -> list[Record]:
    """The structures of a composition in their order."""
    candidates: list[Record] = record["candidates"]
    return candidates


def row(name: str, records: Sequence[Record]) -> list[str]:
    """A line of the table."""
    seconds = f"{np.mean([record['seconds'] for record in records]):.1f}"
    found = [share(records, as_written, depth) for depth in _DEPTHS]
    return [name, str(len(records)), *found, rmse(records, as_written), seconds]


def report(paths: Iterable[Path]) -> None:
    """Prints all files, and of each the crystals on the hull."""
    rows = []
    for path in paths:
        records = lines(path)
        on_hull = [record for record in records if record["above_hull"] <= ON_HULL]
        rows += [row(name, part) for name, part in ((path.stem, records), ("  on the hull", on_hull)) if part]
    table(("", "crystals", *(f"best of {depth}, %" for depth in _DEPTHS), "RMSE of the first", "CPU s"), rows)


def known_crystals(data: Path, split: str, n: int) -> list[Known]:
    """So many crystals of a split, in random order."""
    crystals = load_split(data, split)
    above_hull = dict(zip(crystals.ids, crystals.targets["energy_above_hull"].tolist(), strict=True))
    return [Known(name, atoms, above_hull[name]) for name, atoms in in_random_order(crystals, n)]


def main() -> None:
    """Measures what isn't measured yet, and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of the split")
    parser.add_argument("--workdir", type=Path)
    parser.add_argument("--split", default="test")
    parser.add_argument("-n", type=int, default=300, help="crystals")
    parser.add_argument("--method", default="hybrid")
    parser.add_argument("--rank", help="energies that order candidates, such as chgnet")
    parser.add_argument("--order-by", choices=(ENERGY, LIKELIHOOD), default=ENERGY, help="with a ranking")
    parser.add_argument("--templates", help="known crystals, instead of the package's")
    parser.add_argument("--structures", type=int, default=20, help="of each composition")
    parser.add_argument("--reduced", action="store_true", help="leave the number of formula units open")
    args = parser.parse_args()
    with folders(args.data, args.workdir) as (data, workdir):
        known = known_crystals(data, args.split, args.n)
        n = args.structures if args.data else 2
        quick = args.rank is not None or args.data is None
        source = open_source(args.method, templates=args.templates, device="cpu", quick=quick)
        ranking = args.rank and Ranking(args.rank, order_by=args.order_by, device="cpu")
        order = f"{args.rank} {args.order_by}" if args.rank else "unranked"
        parts = [args.split, args.method, order, "reduced" if args.reduced else "cell"]
        path = workdir / f"{', '.join(parts)}.jsonl"
        measure(path, Generator(source, rank=ranking, device="cpu"), known, n, args.reduced)
        report(sorted(workdir.glob("*.jsonl")))


if __name__ == "__main__":
    main()
