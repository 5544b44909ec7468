"""What becomes of a variant's crystals: relaxed, above the hull, compared with known ones, asked for phonons."""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ase import Atoms
from ase.io import read, write

from asegen.calculators.verification import Verifier
from asegen.hull.table import formula_of
from asegen.metrics.matching import same_crystal
from asegen.metrics.novelty import Newness
from asegen.metrics.stability import METASTABLE, displacement
from asegen.potentials.engine import find_engine
from asegen.prototypes import novelty
from asegen.prototypes.sources import KNOWN, open_library
from asegen.screening.stages.finite_displacements import Settings, phonons
from asegen.structures.validity import check_atoms
from discovered.variants import VARIANTS

SECOND = "7net-mf-0"


def run(args: argparse.Namespace) -> None:
    """Does all steps of a variant that aren't done, each within the time that is left."""
    args.out.mkdir(parents=True, exist_ok=True)
    place = args.out / f"{args.variant}.json"
    known: dict[str, Any] = json.loads(place.read_text()) if place.exists() else {}
    steps = (("drawn", _draw), ("relaxed", _relax), ("second", _second_opinion), ("phonons", _phonons))
    for name, step in steps:
        if name not in known:
            start = time.process_time()
            known[name] = step(args, known) | {"cpu": time.process_time() - start}
            place.write_text(json.dumps(known, indent=1))
            print(args.variant, name, f"{known[name]['cpu']:.0f} CPU s", flush=True)


def _draw(args: argparse.Namespace, known: dict[str, Any]) -> dict[str, Any]:
    structures, tried = VARIANTS[args.variant](args.n, args.seed)
    write(args.out / f"{args.variant}.extxyz", structures)
    return {"n": args.n, "seed": args.seed, "tried": tried, "kept": len(structures)}


def _relax(args: argparse.Namespace, known: dict[str, Any]) -> dict[str, Any]:
    drawn = _read(args.out / f"{args.variant}.extxyz")
    verifier, crystals = Verifier(args.potential, args.steps), novelty.KnownCrystals(open_library(KNOWN))
    relaxed: list[Atoms] = []
    rows = []
    for atoms in drawn:
        row, after = _judged(atoms, verifier, crystals, relaxed)
        rows.append(row)
        relaxed.append(after)
    write(args.out / f"{args.variant}-relaxed.extxyz", relaxed)
    return {"rows": rows, "steps": args.steps, "potential": verifier.name}


def _judged(
    atoms: Atoms, verifier: Verifier, crystals: novelty.KnownCrystals, before: Sequence[Atoms]
) -> tuple[dict[str, Any], Atoms]:
    """What becomes of a structure, and the structure relaxed; `before` are those that were relaxed earlier."""
    row: dict[str, Any] = {"formula": str(atoms.symbols), "n_atoms": len(atoms), "valid": check_atoms(atoms) is None}
    found = verifier.verify(atoms) if row["valid"] else None
    if found is None or found.reason:
        return row, atoms
    new = crystals.judge(found.atoms)
    is_novel = Newness(new.kind, new.known_composition, new.structures_at_hand).is_novel
    alike = [one for one in before if _formula(one) == _formula(atoms)]
    row |= {
        "e_hull": found.e_hull,
        "rmsd": displacement(atoms, found.atoms),
        "converged": bool(found.atoms.info["potential_converged"]),
        "unique": not any(same_crystal((one, found.atoms)) for one in alike),
        "known_composition": new.known_composition,
        "kind": new.kind,
        "novel": is_novel,
    }
    return row, found.atoms


def _second_opinion(args: argparse.Namespace, known: dict[str, Any]) -> dict[str, Any]:
    if not args.second:
        return {"rows": []}
    relaxed, rows = _read(args.out / f"{args.variant}-relaxed.extxyz"), []
    verifier = Verifier(SECOND, args.second_steps)
    # A sample of what is drawn, so that shares are those of the variant: the smallest half of it, in order.
    small = sorted(range(len(relaxed)), key=lambda k: (len(relaxed[k]), k))[: len(relaxed) // 2]
    for k in sorted(small)[: args.second]:
        if "e_hull" in known["relaxed"]["rows"][k]:
            found = verifier.verify(relaxed[k])
            rows.append({"place": k, "e_hull": found.e_hull, "n_atoms": len(relaxed[k])})
    return {"rows": rows, "steps": args.second_steps, "potential": verifier.name}


def _phonons(args: argparse.Namespace, known: dict[str, Any]) -> dict[str, Any]:
    if not args.phonons:
        return {"rows": []}
    relaxed, rows, calculator = (
        _read(args.out / f"{args.variant}-relaxed.extxyz"), [], find_engine(args.potential).calculator()
    )  # fmt: skip
    places = [k for k, row in enumerate(known["relaxed"]["rows"]) if is_msun(row)]
    for k in sorted(places, key=lambda place: len(relaxed[place]))[: args.phonons]:
        folder = args.out / "phonons" / f"{args.variant}-{k}"
        try:
            found = phonons(relaxed[k], calculator, folder, Settings(symprec=0.02, height=args.height))
            rows.append({"place": k, "verdict": found.verdict, "reason": found.reason, "lowest": found.lowest})
        except Exception as error:  # every calculator fails in its own way
            rows.append({"place": k, "verdict": "", "reason": str(error)[:200], "lowest": None})
        print(_formula(relaxed[k]), rows[-1], flush=True)
    return {"rows": rows}


def is_msun(row: dict[str, Any], limit: float = METASTABLE) -> bool:
    """Whether a structure is metastable, unique and novel once relaxed."""
    return bool(row.get("unique") and row.get("novel") and row["e_hull"] <= limit)


def _read(place: Path) -> list[Atoms]:
    found = read(place, ":")
    return [found] if isinstance(found, Atoms) else found


def _formula(atoms: Atoms) -> str:
    return formula_of(Counter(atoms.numbers.tolist()))
