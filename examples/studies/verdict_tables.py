"""How far the verdicts of a screening can be trusted: energies above the hull, force calls, phonons, five systems.

    python examples/studies/verdict_tables.py hull test.csv.gz -n 300 --workdir tables --calculator chgnet
    python examples/studies/verdict_tables.py calls val.csv.gz -n 100 --workdir tables
    python examples/studies/verdict_tables.py phonons --workdir tables --calculator chgnet --calculator 7net-0
    python examples/studies/verdict_tables.py systems -n 40 --workdir tables
    python examples/studies/verdict_tables.py elements crystals.csv.gz -n 100 --max-atoms 16

`hull`: crystals of a table with a column `energy_above_hull` (the Materials Project's, eV/atom) are relaxed from there
and placed above the shipped hull. `calls`: force calls and processor seconds of FIRE and BFGS for crystals that were
strained and rattled, or for the structures of a file as they are. `phonons`: verdicts on crystals whose dynamic
stability is known. `systems`: chemical systems, drawn by `asegen generate` and screened with `--reference none` and
with the hull. `elements`: crystals of one element above its ground state, by the potential's energy of that crystal
and by the fitted value. Run again after an interruption, they do the rest. Without arguments, a little of all with EMT.
"""

from __future__ import annotations

import argparse
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.io import write
from ase.spacegroup import crystal
from numpy.typing import NDArray

from asegen.potentials.engine import find_engine
from asegen.potentials.minimise import OPTIMIZERS, minimise
from asegen.potentials.references import references_of
from asegen.screening import Result, screen
from asegen.screening.records import Candidate
from asegen.screening.stages.finite_displacements import Settings, phonons
from asegen.screening.stages.phonon_results import STABLE, SUMMARY, UNSTABLE, read_phonons
from asegen.screening.stages.prerelax import prerelax
from asegen.screening.stages.relax import Relax
from asegen.screening.stages.verdicts import BELOW, LOWEST
from asegen.screening.stages.verdicts import NEAR as SAID_NEAR
from asegen.structures.atoms import read_structures

NEAR = 0.03
"""eV/atom above the hull that still count as stable."""
HIGHER = 0.005
"""eV/atom, more than what a converged relaxation leaves undecided."""


def drawn(path: Path, n: int | None, sizes: tuple[int, int], seed: int) -> list[Atoms]:
    """Crystals of a table, chosen at random; `info` has the columns beside them.

    Args:
        path: any file of structures.
        n: at most so many; all without it.
        sizes: fewest and most atoms.
        seed: of the choice.
    """
    found = []
    for row in read_structures(path):
        if isinstance(row.atoms, Atoms) and sizes[0] <= len(row.atoms) <= sizes[1]:
            row.atoms.info = {"material_id": row.id, **row.values}
            found.append(row.atoms)
    chosen = np.random.default_rng(seed).permutation(len(found))[:n]
    return [found[k] for k in sorted(chosen)]


def disturbed(atoms: Atoms, seed: int, strain: float = 0.04, noise: float = 0.1) -> Atoms:
    """A crystal under a random symmetric strain, its atoms moved by `noise` Å in each direction."""
    rng = np.random.default_rng(seed)
    epsilon = rng.normal(scale=strain, size=(3, 3))
    changed = atoms.copy()
    changed.set_cell(atoms.cell.array @ (np.eye(3) + (epsilon + epsilon.T) / 2), scale_atoms=True)
    changed.rattle(noise, rng=rng)
    return changed


# ---- hull


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


# ---- calls


def calls_table(args: argparse.Namespace) -> None:
    """Force calls and processor seconds of both optimisers, after the learned pre-relaxation and without it."""
    if args.as_is:
        starts = [atoms for atoms in drawn(args.file, args.n, (args.min_atoms, args.max_atoms), args.seed)]
    else:
        true = drawn(args.file, args.n, (args.min_atoms, args.max_atoms), args.seed)
        starts = [disturbed(atoms, k) for k, atoms in enumerate(true)]
    start = time.process_time()
    moved = [found.atoms or atoms for atoms, found in zip(starts, prerelax(starts, None, "cpu"), strict=True)]
    each = (time.process_time() - start) / len(starts)
    atoms = [len(one) for one in starts]
    print(f"\n{len(starts)} crystals of {min(atoms)} to {max(atoms)} atoms; pre-relaxation {each:.3f} s each")
    for name in args.calculator:
        ends = relaxed(name, moved, starts, args.fmax, args.workdir / f"calls-{name}-{args.n}-{args.seed}.csv")
        for optimizer, rows in ends.items():
            told(f"{name}, {optimizer}", rows)
        rises = ends["bfgs"][:, 2] - ends["fire"][:, 2]
        error = rises.std() / np.sqrt(len(rises))
        print(f"  bfgs higher by over 5 meV/atom: {(rises > HIGHER).sum()}, lower: {(rises < -HIGHER).sum()};", end=" ")
        print(f"mean {1000 * rises.mean():+.2f} ± {1000 * error:.2f} meV/atom")


def relaxed(
    name: str, starts: Sequence[Atoms], before: Sequence[Atoms], fmax: float, kept: Path
) -> dict[str, NDArray[np.float64]]:
    """By optimiser (n, 4): force calls, processor seconds, energy (eV/atom) and whether it converged.

    Args:
        name: of the potential.
        starts: crystals, pre-relaxed.
        before: the same before that.
        fmax: eV/Å.
        kept: file of what was done already; it grows with each crystal.
    """
    stages = {optimizer: Relax(find_engine(name), fmax=fmax, optimizer=optimizer) for optimizer in OPTIMIZERS}
    stages["bfgs"].work([Candidate(0, "ok", {}, starts[0])], [before[0]])  # loads the network
    done = kept.read_text().split("\n")[:-1] if kept.exists() else []
    with kept.open("a") as file:
        for atoms, old in list(zip(starts, before, strict=True))[len(done) // len(OPTIMIZERS) :]:
            lines = [f"{optimizer},{_one(stage, atoms, old)}\n" for optimizer, stage in stages.items()]
            file.write("".join(lines))
            file.flush()
    rows = [line.split(",") for line in kept.read_text().splitlines()]
    return {name: np.array([row[1:] for row in rows if row[0] == name], float) for name in OPTIMIZERS}


def _one(stage: Relax, atoms: Atoms, before: Atoms) -> str:
    start = time.process_time()
    (outcome,) = stage.work([Candidate(0, "ok", {}, atoms)], [before])
    calls, energy = outcome.found.get("force_calls", 0), outcome.found.get("energy") or np.nan
    return f"{calls},{time.process_time() - start:.3f},{energy:.6f},{int(outcome.status == 'ok')}"


def told(name: str, rows: NDArray[np.float64]) -> None:
    """Prints a line on relaxations."""
    calls, seconds = rows[:, 0], rows[:, 1]
    error = calls.std() / np.sqrt(len(calls))
    print(f"  {name}, {len(rows)}: {calls.sum():.0f} force calls (mean {calls.mean():.1f} ± {error:.1f},", end=" ")
    print(f"median {np.median(calls):g}, {np.mean(calls <= 10):.0%} at most 10, most {calls.max():.0f}),", end=" ")
    print(f"{seconds.mean():.2f} processor seconds each (median {np.median(seconds):.2f});", end=" ")
    print(f"{int((1 - rows[:, 3]).sum())} did not converge", flush=True)


# ---- phonons


def known_crystals() -> list[tuple[str, str, Atoms]]:
    """Name, what is known of its dynamic stability at 0 K (PBE), and crystal; near their lattice constants."""
    return [
        ("Si", STABLE, bulk("Si", "diamond", 5.47)),
        ("C", STABLE, bulk("C", "diamond", 3.57)),
        ("Al", STABLE, bulk("Al", "fcc", 4.04)),
        ("Cu", STABLE, bulk("Cu", "fcc", 3.63)),
        ("GaAs", STABLE, bulk("GaAs", "zincblende", 5.75)),
        ("NaCl", STABLE, bulk("NaCl", "rocksalt", 5.69)),
        ("MgO", STABLE, bulk("MgO", "rocksalt", 4.24)),
        ("LiF", STABLE, bulk("LiF", "rocksalt", 4.07)),
        ("CsCl", STABLE, bulk("CsCl", "cesiumchloride", 4.2)),
        ("CaF2", STABLE, bulk("CaF2", "fluorite", 5.5)),
        ("Ge", STABLE, bulk("Ge", "diamond", 5.76)),
        ("Ag", STABLE, bulk("Ag", "fcc", 4.15)),
        ("W", STABLE, bulk("W", "bcc", 3.17)),
        ("ZnS", STABLE, bulk("ZnS", "zincblende", 5.45)),
        ("InP", STABLE, bulk("InP", "zincblende", 5.97)),
        ("KBr", STABLE, bulk("KBr", "rocksalt", 6.7)),
        ("NaF", STABLE, bulk("NaF", "rocksalt", 4.7)),
        ("CaO", STABLE, bulk("CaO", "rocksalt", 4.84)),
        ("MgS", STABLE, bulk("MgS", "rocksalt", 5.23)),
        ("TiN", STABLE, bulk("TiN", "rocksalt", 4.25)),
        ("SrTiO3, cubic", UNSTABLE, perovskite("Sr", "Ti", 3.94)),
        ("BaTiO3, cubic", UNSTABLE, perovskite("Ba", "Ti", 4.03)),
        ("KNbO3, cubic", UNSTABLE, perovskite("K", "Nb", 4.03)),
        ("Ti, bcc", UNSTABLE, bulk("Ti", "bcc", 3.25)),
        ("ZrO2, cubic", UNSTABLE, bulk("ZrO2", "fluorite", 5.12)),
        ("HfO2, cubic", UNSTABLE, bulk("HfO2", "fluorite", 5.07)),
        ("PbTiO3, cubic", UNSTABLE, perovskite("Pb", "Ti", 3.97)),
        ("NaNbO3, cubic", UNSTABLE, perovskite("Na", "Nb", 3.98)),
        ("CaTiO3, cubic", UNSTABLE, perovskite("Ca", "Ti", 3.89)),
        ("Zr, bcc", UNSTABLE, bulk("Zr", "bcc", 3.57)),
    ]


def perovskite(large: str, small: str, a: float) -> Atoms:
    """A cubic oxide ABO3; lattice constant in Å."""
    sites = [(0, 0, 0), (0.5, 0.5, 0.5), (0.5, 0.5, 0)]
    return crystal([large, small, "O"], sites, spacegroup=221, cellpar=[a, a, a, 90, 90, 90])


def phonons_table(args: argparse.Namespace) -> None:
    """Verdicts of potentials on crystals whose stability is known; what was done is read from the folder."""
    right: dict[str, list[bool]] = {name: [] for name in args.calculator}
    for label, known, atoms in known_crystals():
        said = []
        for name in args.calculator:
            folder = args.workdir / f"phonons-{args.height:g}" / name / label.replace(", ", "-")
            if not (folder / SUMMARY).is_file():
                phonons(atoms, find_engine(name).calculator(), folder, Settings(height=args.height, mesh=30.0))
            found = read_phonons(folder)
            lowest = "" if found.lowest is None else f" {found.lowest:6.2f} THz"
            said.append(f"{name}: {found.verdict or found.reason}{lowest} ({found.n_atoms} atoms)")
            right[name].append(found.verdict == known)
        print(f"  {label:<14} {known:<9} {'; '.join(said)}", flush=True)
    for name, hits in right.items():
        print(f"{name}: {sum(hits)} of {len(hits)} verdicts right")


# ---- systems


SYSTEMS = {
    "Li-P-S": ("Li3PS4 --multiples 2", "Li2S"),
    "Li-Y-Cl": ("LiCl", "YCl3 --multiples 2", "Li3YCl6"),
    "Ti-O": ("TiO2 --multiples 2", "Ti2O3 --multiples 2"),
    "Na-Cl": ("NaCl", "NaCl --multiples 2"),
    "Cu-Si-K": ("Cu3Si --multiples 2", "KSi --multiples 4"),
}
"""Chemical systems, and formulas of which several candidates are drawn beside those of the whole system."""
_EACH = 4
_FIRST = ("dedup", "symmetrise", "prerelax", "relax", "compare")


def systems_table(args: argparse.Namespace) -> None:
    """How many candidates are said to be stable, without the hull and with it, and how far those are from it."""
    for system, formulas in SYSTEMS.items():
        if args.system and system not in args.system:
            continue
        folder = args.workdir / "systems" / system
        files = candidates(folder, system, formulas, args.n, args.seed)
        common = {"calculator": args.calculator[0], "jobs": 1}
        if not (folder / "none").exists():
            screen(files, folder / "none", stages=_FIRST, reference="none", **common)
        if not (folder / "mp").exists():
            shutil.copytree(folder / "none", folder / "mp")  # before either has a hull
        before = screen(files, folder / "none", stages=[*_FIRST, "hull"], reference="none", **common)
        now = screen(files, folder / "mp", stages=[*_FIRST, "hull"], **common)
        said(system, before, now)


def candidates(folder: Path, system: str, formulas: Sequence[str], n: int, seed: int) -> list[Path]:
    """Files of what `asegen generate` draws, made where they are missing."""
    wanted = [f"--system {system} -n {max(1, n - _EACH * len(formulas))}", *(f"{text} -n {_EACH}" for text in formulas)]
    files = [folder / f"{k}.extxyz" for k in range(len(wanted))]
    folder.mkdir(parents=True, exist_ok=True)
    for words, file in zip(wanted, files, strict=True):
        if not file.is_file():
            command = [sys.executable, "-m", "asegen.cli.main", "generate", *shlex.split(words), "--quick", "--resume"]
            subprocess.run([*command, "--seed", str(seed), "-o", file], check=True, stdout=subprocess.DEVNULL)
    return files


def said(system: str, before: Sequence[Result], now: Sequence[Result]) -> None:
    """Prints what both screenings say of the same relaxed candidates."""
    e_known = {result.id: result["e_known"] for result in now if result["e_known"] is not None}
    lowest = [result.id for result in before if result["hull_verdict"] == LOWEST]
    stable = [result.id for result in now if result["hull_verdict"] in (*SAID_NEAR, BELOW)]
    near = [sum(e_known[id] <= NEAR for id in ids if id in e_known) for ids in (lowest, stable)]
    ranked = sum(result.is_ranked for result in now)
    print(
        f"\n{system}: {len(now)} drawn, {ranked} ranked; before: {len(lowest)} lowest, {near[0]} within {NEAR};",
        end=" ",
    )
    print(f"now: {len(stable)} within the error of the hull or below, {near[1]} within {NEAR}; ", end="")
    print(f"of {sum(energy <= NEAR for energy in e_known.values())} within {NEAR}", flush=True)
    for result in now:
        if result["rank_in_composition"] == 1 and result["known_composition"] == "stable":
            others = sum(one.is_ranked and one["formula"] == result["formula"] for one in now) - 1
            print(f"  {result['formula']:<8} {result['space_group']:<16} {result['e_hull']:.3f}, first of {others + 1}")


# ---- elements


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


# ---- all


TABLES = {
    "hull": hull_table,
    "calls": calls_table,
    "phonons": phonons_table,
    "systems": systems_table,
    "elements": elements_table,
}
"""What each table is made by."""


def parsed() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", nargs="?", choices=tuple(TABLES))
    parser.add_argument("file", nargs="?", type=Path, help="of structures, for hull, calls and elements")
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
    if args.table in ("hull", "calls", "elements") and args.file is None:
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
