"""Discovery beside its parts and plain baselines: how stable and how new the crystals of each variant are.

    python examples/studies/discovery_variants.py run VARIANT -n 50 --seed 1 --second 12 --phonons 4
    python examples/studies/discovery_variants.py table
    python examples/studies/discovery_variants.py picture discovered.png --variant discover

`run` draws structures that haven't seen a potential, relaxes them by CHGNet, asks a second potential of the smallest
metastable new ones, and computes phonons of the smallest of these. All goes into the folder `--out`, a step at a time:
what is there is not done again. `table` prints a row for each variant that was run, with standard errors; `picture`
draws the elements and anonymous formulas of what is metastable, unique and novel beside those of known crystals.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from discovered.judging import SECOND, run
from discovered.showing import picture, table
from discovered.variants import VARIANTS


def main() -> None:
    """Runs one of the above."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    one = commands.add_parser("run")
    one.add_argument("variant", choices=sorted(VARIANTS))
    one.add_argument("-n", type=int, default=50)
    one.add_argument("--seed", type=int, default=1)
    one.add_argument("--potential", default="chgnet")
    one.add_argument("--steps", type=int, default=100, help="of a relaxation, at most")
    one.add_argument("--second", type=int, default=0, help=f"structures for {SECOND}")
    one.add_argument("--second-steps", type=int, default=15)
    one.add_argument("--phonons", type=int, default=0, help="structures")
    one.add_argument("--height", type=float, default=9.0, help="Å, of the phonons' supercells, at least")
    one.set_defaults(run=run)
    two = commands.add_parser("table")
    two.set_defaults(run=table)
    three = commands.add_parser("picture")
    three.add_argument("file", type=Path)
    three.add_argument("--variant", default="discover", choices=sorted(VARIANTS))
    three.set_defaults(run=picture)
    for command in (one, two, three):
        command.add_argument("--out", type=Path, default=Path("drawn"))
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
