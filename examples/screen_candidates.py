"""From candidate crystals to a ranked shortlist with energies above the hull, phonons and DFT inputs.

    python examples/screen_candidates.py generated.extxyz --workdir run --calculator chgnet

The same as `asegen screen generated.extxyz --workdir run`; run it again after any interruption and it does the rest.
Without arguments, a few copper-gold alloys are screened with EMT in a folder that is removed afterwards.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from ase import Atoms
from ase.build import bulk
from ase.io import write

from asegen.screening import screen


def alloys(path: Path) -> Path:
    """Ordered copper-gold alloys on fcc and bcc lattices, off their equilibrium, one of them twice."""
    cube, body = bulk("Cu", cubic=True, a=3.9), bulk("Cu", "bcc", cubic=True, a=3.1)
    frames: list[Atoms] = []
    for lattice, gold in ((cube, [0]), (cube, [0, 1]), (cube, [0, 1, 2]), (body, [0]), (cube, [0, 2])):
        atoms = lattice.copy()
        atoms.symbols[gold] = "Au"
        atoms.rattle(0.03, seed=len(frames))
        frames.append(atoms)
    write(path, frames)
    return path


def shortlist(inputs: list[Path], workdir: Path, calculator: str, relaxer: str | None, jobs: int) -> None:
    """Screens, and prints the ranked candidates."""
    for found in screen(inputs, workdir, calculator, relaxer=relaxer, best=1, jobs=jobs):
        above = "" if found["e_hull"] is None else f"{found['e_hull']:.3f} eV/atom above the hull"
        words = (found.rank or "-", found["formula"], found["space_group"], above, found["phonons"] or "")
        print(*words, found.status, found["reason"])


def main() -> None:
    """Screens files, or the built-in alloys."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("inputs", nargs="*", type=Path)
    parser.add_argument("--workdir", type=Path, default=Path("run"))
    parser.add_argument("--calculator", default="chgnet")
    parser.add_argument("--jobs", type=int, default=1)
    args = parser.parse_args()
    if args.inputs:
        shortlist(args.inputs, args.workdir, args.calculator, "empnn", args.jobs)
        return
    with tempfile.TemporaryDirectory() as folder:
        shortlist([alloys(Path(folder) / "alloys.extxyz")], Path(folder) / "run", "emt", None, args.jobs)


if __name__ == "__main__":
    main()
