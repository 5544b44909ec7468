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
import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols
from ase.io import read, write

from asegen import Discoverer, Generator
from asegen.calculators.verification import Verifier
from asegen.discovery.cells import Cell, cells_of
from asegen.discovery.discoverer import Discovery
from asegen.discovery.families import families
from asegen.generation.compositions import composition
from asegen.hull.table import formula_of
from asegen.metrics.matching import same_crystal
from asegen.metrics.novelty import Newness
from asegen.metrics.stability import METASTABLE, displacement
from asegen.prototypes import novelty
from asegen.prototypes.catalogue import Catalogue
from asegen.prototypes.sources import KNOWN, open_library
from asegen.structures.validity import check_atoms

ANY_ENERGY = 99.0
"""eV/atom above the hull: nothing is refused for its energy."""
MOST_ATOMS = 20
TRIED = 6
"""Compositions tried for each structure that is asked for, at most."""
SECOND = "7net-mf-0"


# -- drawing -----------------------------------------------------------------------------------------------------------


def discovered(n: int, seed: int, **settings: object) -> tuple[list[Atoms], int]:
    """Crystals of a `Discoverer` that asks no potential, and how many compositions it tried."""
    found: Discovery = Discoverer(potential="none", **settings).run(None, n, seed, proposals=TRIED * n)  # type: ignore[arg-type]
    return found.structures, sum(count for _, count in found.funnel)


def plain_flow(n: int, seed: int) -> tuple[list[Atoms], int]:
    """What the flow draws for compositions of known crystals."""
    cells = known_cells()
    chosen = np.random.default_rng(seed).choice(len(cells), n, replace=False)
    return Generator("diffusion").generate([composition(cells[k].symbols) for k in chosen], seed=seed), n


def known_cells() -> list[Cell]:
    """Compositions of the known crystals inside the package, of at most 20 atoms."""
    return [cell for cell in cells_of(Catalogue.shipped()) if sum(cell.counts) <= MOST_ATOMS]


Drawn = tuple[list[Atoms], int]
VARIANTS: dict[str, Callable[[int, int], Drawn]] = {
    "discover": lambda n, seed: discovered(n, seed),
    "no-learning": lambda n, seed: discovered(n, seed, proposal="uniform"),
    "no-ranking": lambda n, seed: discovered(n, seed, candidates=1, e_hull=ANY_ENERGY),
    "ion-exchange": lambda n, seed: discovered(n, seed, candidates=1, e_hull=ANY_ENERGY, proposal="ion-exchange"),
    "flow": plain_flow,
}
"""Structures that no potential has seen, by name."""


# -- judging -----------------------------------------------------------------------------------------------------------


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
    from asegen.potentials.engine import find_engine
    from asegen.screening.stages.finite_displacements import Settings, phonons

    relaxed, rows, calculator = (
        _read(args.out / f"{args.variant}-relaxed.extxyz"), [], find_engine(args.potential).calculator()
    )  # fmt: skip
    places = [k for k, row in enumerate(known["relaxed"]["rows"]) if is_msun(row)]
    for k in sorted(places, key=lambda place: len(relaxed[place]))[: args.phonons]:
        folder = args.out / "phonons" / f"{args.variant}-{k}"
        try:
            found = phonons(relaxed[k], calculator, folder, Settings(symprec=0.02, height=args.height, confirm=0.0))
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


# -- showing -----------------------------------------------------------------------------------------------------------


def table(args: argparse.Namespace) -> None:
    """Prints a column of Markdown for each variant that was run."""
    known = {name: json.loads((args.out / f"{name}.json").read_text()) for name in VARIANTS
             if (args.out / f"{name}.json").exists()}  # fmt: skip
    columns = {name: _column(of) for name, of in known.items() if "relaxed" in of}
    print("| | " + " | ".join(columns) + " |")
    print("| --- |" + " --- |" * len(columns))
    for label in next(iter(columns.values())):
        print(f"| {label} | " + " | ".join(column[label] for column in columns.values()) + " |")


def _column(known: dict[str, Any]) -> dict[str, str]:
    rows, drawn = known["relaxed"]["rows"], known["drawn"]
    good = [row for row in rows if "e_hull" in row]
    msun = [row for row in rows if is_msun(row)]
    shares: dict[str, Callable[[dict[str, Any]], object]] = {
        "valid, %": lambda row: row["valid"],
        "unique, %": lambda row: row.get("unique"),
        "novel composition, %": lambda row: row.get("known_composition") is False,
        "novel structure, %": lambda row: row.get("novel"),
        "of a type that no known crystal has, %": lambda row: row.get("kind") == novelty.NEW_TYPE,
        "converged, %": lambda row: row.get("converged"),
        "metastable, %": lambda row: row.get("e_hull", 9) <= METASTABLE,
        "stable, %": lambda row: row.get("e_hull", 9) <= 0,
        "**M.S.U.N.**, %": is_msun,
        "**S.U.N.**, %": lambda row: is_msun(row, 0.0),
    }
    found = {"structures": str(len(rows))}
    found |= {label: _share([bool(holds(row)) for row in rows]) for label, holds in shares.items()}
    found["of M.S.U.N., of a new type, %"] = _share([row["kind"] == novelty.NEW_TYPE for row in msun])
    found["above the hull, eV/atom: mean"] = _mean([row["e_hull"] for row in good], 3)
    found["median"] = f"{np.median([row['e_hull'] for row in good]):.3f}" if good else ""
    found["RMSD to relaxed, Å"] = _mean([row["rmsd"] for row in good if row["converged"]], 2)
    found["lanthanide, Sc or Y, of M.S.U.N., %"] = _share([_has_rare_earth(row["formula"]) for row in msun])
    second = known.get("second", {}).get("rows", [])
    known_first = [rows[row["place"]] for row in second]
    pairs = list(zip(second, known_first, strict=True))
    found["M.S.U.N. by CHGNet, smaller crystals, %"] = _share([is_msun(row) for row in known_first])
    found["M.S.U.N. by SevenNet, the same, %"] = _share([is_msun(one | {"e_hull": of["e_hull"]}) for of, one in pairs])
    found["S.U.N. by SevenNet, the same, %"] = _share(
        [is_msun(one | {"e_hull": of["e_hull"]}, 0.0) for of, one in pairs]
    )
    verdicts = [row["verdict"] for row in known.get("phonons", {}).get("rows", []) if row["verdict"]]
    found["phonons stable, of M.S.U.N., %"] = _share([verdict == "stable" for verdict in verdicts])
    found["compositions tried"] = str(drawn["tried"])
    found["CPU s for each structure"] = f"{drawn['cpu'] / max(1, len(rows)):.1f}"
    found["CPU s for each M.S.U.N."] = f"{drawn['cpu'] / max(1, len(msun)):.1f}"
    return found


def _share(flags: Sequence[bool]) -> str:
    """A percentage with the standard error of a share and the number that it is of."""
    if not flags:
        return "–"
    share, n = float(np.mean(flags)), len(flags)
    return f"{100 * share:.0f} ± {100 * np.sqrt(share * (1 - share) / n):.0f} ({n})"


def _mean(values: Sequence[float], digits: int) -> str:
    if len(values) < 2:
        return "–"
    return f"{np.mean(values):.{digits}f} ± {np.std(values, ddof=1) / np.sqrt(len(values)):.{digits}f}"


def _has_rare_earth(formula: str) -> bool:
    return "lanthanide" in families(sorted(set(Atoms(formula).numbers.tolist())))


def picture(args: argparse.Namespace) -> None:
    """Draws elements and anonymous formulas of the metastable, unique and novel crystals beside the known ones."""
    import matplotlib.pyplot as plt

    cells = known_cells()
    rows = json.loads((args.out / f"{args.variant}.json").read_text())["relaxed"]["rows"]
    found = [Cell.of(1, Counter(Atoms(row["formula"]).numbers.tolist())) for row in rows if is_msun(row)]
    figure, axes = plt.subplots(2, 1, figsize=(10, 6), layout="constrained")
    kinds: tuple[tuple[Callable[[Cell], list[str]], str], ...] = (
        (lambda cell: [chemical_symbols[z] for z in cell.numbers], "crystals with the element, %"),
        (lambda cell: [_anonymous(cell)], "crystals with the anonymous formula, %"),
    )
    for axis, (names, label) in zip(axes, kinds, strict=True):
        _bars(axis, [names(cell) for cell in cells], [names(cell) for cell in found], label)
    axes[0].legend([f"{len(cells)} known crystals", f"{len(found)} found"], frameon=False)
    figure.savefig(args.file, dpi=100)


def _bars(axis: Any, known: Sequence[list[str]], found: Sequence[list[str]], label: str) -> None:
    """The 40 commonest names of both sides together."""
    shares = [Counter(name for own in side for name in own) for side in (known, found)]
    sizes = [max(1, len(side)) for side in (known, found)]
    total = {name: shares[0][name] / sizes[0] + shares[1][name] / sizes[1] for name in shares[0] | shares[1]}
    names = sorted(total, key=lambda name: -total[name])[:40]
    for side, (count, size) in enumerate(zip(shares, sizes, strict=True)):
        axis.bar(np.arange(len(names)) + 0.4 * side, [100 * count[name] / size for name in names], 0.4)
    axis.set_xticks(np.arange(len(names)) + 0.2, names, rotation=90, fontsize=8)
    axis.set_ylabel(label)


def _anonymous(cell: Cell) -> str:
    letters = zip("ABCDEFGH", cell.anonymous, strict=False)
    return "".join(f"{letter}{n if n > 1 else ''}" for letter, n in letters)


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
