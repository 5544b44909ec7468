"""How well are crystals found whose composition and space group are given? Four tables, each resumable.

    python examples/studies/symmetry_tables.py match TEST --workdir tables                   # match rates
    python examples/studies/symmetry_tables.py protocol TEST TRAIN --workdir tables -n 1000  # COV and Fréchet distances
    python examples/studies/symmetry_tables.py rediscovery TEST TRAIN --workdir tables -n 200 --calculator chgnet
    python examples/studies/symmetry_tables.py named TRAIN VAL TEST --workdir tables --calculator chgnet

TEST and the others are tables with a cif and a space group for each crystal. `--by` says who draws: "analogy" (known
crystals and the model in turn), "model" (it alone), "score" (the published score model alone), "analogy-common" and
"common" (the first two, the group not given) or "plain" (the model without symmetry). `rediscovery` takes crystals that
are like none in TRAIN and draws 1, 10 and 50 structures of each; `named` asks for the crystals by which the symmetric
score model was introduced. Without arguments, all tables are made of a few alloys with EMT.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from ase.io import write
from ase.spacegroup import crystal
from by_symmetry.drawing import BY, rows
from by_symmetry.match import match_table, protocol_table
from by_symmetry.named import HITS, TERNARIES, named_table
from by_symmetry.rediscovery import rediscovery_table


def alloys(folder: Path) -> tuple[Path, Path]:
    """Two files of the same ordered alloys, one of copper and gold, one of silver and platinum."""
    paths = []
    for name, (one, two) in {"test": ("Cu", "Au"), "train": ("Ag", "Pt")}.items():
        places: list[tuple[int, tuple[float, ...], list[float]]] = [
            (221, (0, 0.5, 0.5), [3.9] * 3),
            (123, (0.5, 0.5, 0.5), [2.8, 2.8, 3.7]),
            (221, (0.5, 0.5, 0.5), [3] * 3),
        ]
        frames = []
        for k, (group, second, lengths) in enumerate(places):
            atoms = crystal([one, two], [(0, 0, 0), second], spacegroup=group, cellpar=[*lengths, 90, 90, 90])
            atoms.info = {"material_id": f"{name}-{k}", "spacegroup": group, "energy_above_hull": 0.0}
            frames.append(atoms)
        paths.append(folder / f"{name}.extxyz")
        write(paths[-1], frames)
    return paths[0], paths[1]


def demonstration(workdir: Path) -> None:
    """All tables, small."""
    test, train = alloys(workdir)
    match_table(test, workdir, "analogy", None, 1)
    rediscovery_table(test, train, workdir, "analogy", 2, "emt")
    known = [*rows(test), *rows(train)]
    named_table(known, workdir, {"Cu-Au 221": ["CuAu3", "CuAu"]}, "emt", 1)


def main() -> None:
    """Makes one table, or small ones of all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", nargs="?", choices=("match", "protocol", "rediscovery", "named"))
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--workdir", type=Path, default=Path("tables"))
    parser.add_argument("--by", choices=BY, default="analogy")
    parser.add_argument("-n", type=int)
    parser.add_argument("--calculator", help="for relaxations, such as chgnet; none without it")
    parser.add_argument("--jobs", type=int, default=1)
    args = parser.parse_args()
    if args.table is None:
        with tempfile.TemporaryDirectory() as folder:
            demonstration(Path(folder))
        return
    args.workdir.mkdir(parents=True, exist_ok=True)
    if args.table == "match":
        match_table(args.files[0], args.workdir, args.by, args.n, args.jobs)
    elif args.table == "protocol":
        protocol_table(args.files[0], args.files[1], args.workdir, args.by, args.n or 1000, args.jobs)
    elif args.table == "rediscovery":
        rediscovery_table(args.files[0], args.files[1], args.workdir, args.by, args.n or 200, args.calculator)
    else:
        crystals = [atoms for file in args.files for atoms in rows(file)]
        named_table(crystals, args.workdir, TERNARIES | HITS, args.calculator or "chgnet", args.jobs)


if __name__ == "__main__":
    main()
