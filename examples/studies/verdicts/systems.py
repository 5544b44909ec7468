"""Chemical systems, drawn and screened with and without the hull of the known phases."""

from __future__ import annotations

import argparse
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from asegen.screening import Result, screen
from asegen.screening.stages.verdicts import BELOW, LOWEST
from asegen.screening.stages.verdicts import NEAR as SAID_NEAR
from verdicts.crystals import NEAR

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
