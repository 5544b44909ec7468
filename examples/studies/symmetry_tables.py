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
import json
import os
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers
from ase.io import iread, write
from ase.spacegroup import crystal

from asegen.calculators import open_source
from asegen.errors import InputError
from asegen.generation.compositions import from_numbers
from asegen.generation.drawing import draw
from asegen.generation.plan import cut_batches, make_plan
from asegen.generation.source import Source
from asegen.generation.target import Target
from asegen.metrics import evaluate
from asegen.metrics.matching import rms_distance, same_crystal
from asegen.potentials.engine import Engine, find_engine
from asegen.potentials.minimise import minimise
from asegen.prototypes.catalogue import Catalogue
from asegen.screening import screen
from asegen.structures.atoms import read_structures
from asegen.structures.formulas import parse_formula
from asegen.structures.validity import check_atoms
from asegen.symmetry.symbols import crystal_system

GROUPED = ("analogy", "model", "score")
BY = (*GROUPED, "analogy-common", "common", "plain")
SAMPLES = (1, 10, 50)
_AT_ONCE = 64
MONOCLINIC = 15
"""The last group that the paper leaves out."""
MOST_RELAXED = 8
"""Distinct structures of one crystal that are relaxed before it counts as not found."""
STEPS = 120
"""Of a relaxation in `rediscovery`."""
EACH = 3
"""Structures of each composition in `named`."""
ON_THE_HULL = 0.01
"""eV/atom: what a known crystal may lie above the hull to be taken as a competing phase."""
HITS = {
    "Li-Mg-P 216": ["LiMgP"],
    "Ta-Mn-O 191": ["TaMnO2", "TaMn2O", "Ta3MnO", "TaMn6O6"],
    "Co-Cr-P 62": ["Co4Cr4P4"],
    "Tl-Cd-S 187": ["TlCdS2", "TlCdS"],
    "Ce-In-Cu 194": ["Ce2In2Cu2", "Ce2In4Cu2"],
    "Mn-Ca-Sn 129": ["Mn2Ca2Sn2"],
    "Ba-Ti-O 123": ["BaTiO3", "BaTi2O5"],
    "Pu-I-O 129": ["Pu2I2O2"],
}
"""Published as found again; the compositions aren't, but for those of crystals that are known."""
TERNARIES = {
    "Cu-K-Si 62": ["Cu8K4Si4"],
    "Fe-Ta-Sn 69": ["Fe2TaSn", "Fe4Ta2Sn2"],
    "Sb-Ta-V 194": ["SbTa2V3", "Sb2Ta4V6"],
    "Al-K-Pd 191": ["Al3KPd6"],
}
"""Published as new."""


def rows(path: Path) -> list[Atoms]:
    """The readable crystals of a table, with identifier, space group and energy above the hull in `info`."""
    found = []
    for structure in read_structures(path):
        if isinstance(structure.atoms, Atoms):
            group, above = structure.values.get("spacegroup", ""), structure.values.get("energy_above_hull", "")
            atoms = structure.atoms
            atoms.info = {"material_id": structure.id, "group": int(float(str(group))), "above": float(str(above or 0))}
            found.append(atoms)
    return found


def wanted(crystals: Iterable[Atoms], source: Source, grouped: bool = True) -> list[Target]:
    """Compositions of crystals, with their groups, of those that the source can draw."""
    able = []
    for atoms in crystals:
        (cell,) = from_numbers(atoms.numbers)
        target = Target(cell, atoms.info["group"] if grouped else None, material_id=atoms.info["material_id"])
        try:
            source.check([target], force=True)
        except InputError as error:
            print(f"{target.material_id}: {error}")
        else:
            able.append(target)
    return able


def drawn(source: Source, targets: Sequence[Target], n: int, seed: int, folder: Path) -> list[Atoms]:
    """`n` structures of each, batch by batch into files of a folder; what is there is read."""
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    for k, batch in enumerate(cut_batches(make_plan(targets, n) if targets else [], _AT_ONCE)):
        found += kept(folder / f"{k:05d}.extxyz", partial(draw, source, batch, seed))
    return sorted(found, key=lambda atoms: atoms.info["sample_index"])


def source_of(by: str, quick: bool = False) -> Source:
    """What draws, see above."""
    if by == "plain":
        return open_source("diffusion", quick=quick)
    if by == "score":
        return open_source("score")
    return open_source("analogy" if by.startswith("analogy") else "symmetric", quick=quick)


# ---- match rates and the paper's protocol


def match_table(test: Path, workdir: Path, by: str, n: int | None, jobs: int) -> None:
    """The match rate of one structure for each of all, or of n random crystals."""
    crystals = rows(test)
    if n is not None:
        crystals = [crystals[k] for k in np.random.default_rng(0).permutation(len(crystals))[:n]]
    source = source_of(by)
    targets = wanted(crystals, source, grouped=by in GROUPED)
    made = drawn(source, targets, 1, 1, workdir / f"match-{by}-{len(crystals)}")
    figures = evaluate(made, crystals, metrics=["match"], jobs=jobs, cache=workdir / "cache").metrics["match"].values
    print(f"match, by {by}, {len(crystals)} crystals: {figures}")
    precedents = Counter(atoms.info.get("source", "diffusion") for atoms in made)
    print(f"drawn by: {dict(precedents)}; exact groups: {np.mean([atoms.info['valid'] for atoms in made]):.4f}")


def protocol_table(test: Path, train: Path, workdir: Path, by: str, n: int, jobs: int) -> None:
    """COV and Fréchet distances of n structures, and of as many real ones; no triclinic and no monoclinic crystals."""
    reference = [atoms for atoms in rows(test) if len(atoms) <= 20 and atoms.info["group"] > MONOCLINIC]
    random = np.random.default_rng(1)
    chosen = [reference[k] for k in random.permutation(len(reference))[:n]]
    source = source_of(by)
    made = drawn(source, wanted(chosen, source), 1, 1, workdir / f"protocol-{by}-{n}")
    known = kept(workdir / f"real-{n}.extxyz", lambda: real_sample(train, n))
    for name, structures in ((f"by {by}", made), ("real", known)):
        found = evaluate(
            structures,
            reference,
            metrics=["coverage", "fd-crystalnn", "fd-cgcnn"],
            jobs=jobs,
            cache=workdir / "cache",
        )
        figures = {f"{metric}: {key}": v for metric, m in found.metrics.items() for key, v in m.values.items()}
        print(f"protocol, {name}, {len(structures)} against {len(reference)}:")
        print("\n".join(f"    {key:40} {value:.4f}" for key, value in figures.items()), flush=True)


def real_sample(train: Path, n: int) -> list[Atoms]:
    """Random real crystals to be measured like generated ones."""
    real = [atoms for atoms in rows(train) if len(atoms) <= 20]
    mixed = [real[k] for k in np.random.default_rng(1).permutation(len(real))]
    return [atoms for atoms in mixed if atoms.info["group"] > MONOCLINIC][:n]


def kept(file: Path, make: Callable[[], list[Atoms]]) -> list[Atoms]:
    """Crystals of a file, which is made if it isn't there."""
    if not file.exists():
        write(file.with_suffix(".part"), make(), format="extxyz")
        os.replace(file.with_suffix(".part"), file)
    return list(iread(file))


# ---- rediscovery


def unknown(test: Sequence[Atoms], train: Sequence[Atoms], n: int) -> list[Atoms]:
    """Random crystals, n of them, that match none of the same formula in a training set."""
    by_formula = defaultdict(list)
    for atoms in train:
        by_formula[atoms.get_chemical_formula(empirical=True)].append(atoms)
    found: list[Atoms] = []
    for k in np.random.default_rng(2).permutation(len(test)):
        alike = by_formula[test[k].get_chemical_formula(empirical=True)]
        if len(found) < n and all(rms_distance(atoms, test[k]) is None for atoms in alike):
            found.append(test[k])
    return found


def first_match(real: Atoms, structures: Sequence[Atoms]) -> int | None:
    """Place of the first structure that is the crystal."""
    return next((k for k, atoms in enumerate(structures) if rms_distance(real, atoms) is not None), None)


def first_relaxed_match(real: Atoms, structures: Sequence[Atoms], engine: Engine) -> tuple[int | None, int]:
    """The same after relaxation of the distinct ones in order, `MOST_RELAXED` at most, and the force calls."""
    tried: list[Atoms] = []
    calls = 0
    for k, atoms in enumerate(structures):
        if check_atoms(atoms) is not None or any(same_crystal((atoms, other)) for other in tried):
            continue
        if len(tried) == MOST_RELAXED:
            break
        tried.append(atoms)
        try:
            end = minimise(atoms, engine.calculator(), fmax=0.05, steps=STEPS)
        except Exception as error:  # every calculator fails in its own way
            print(f"{real.info['material_id']}, {k}: {error}")
            continue
        calls += end.steps + 1
        if rms_distance(real, end.atoms) is not None:
            return k, calls
    return None, calls


def rediscovery_table(test: Path, train: Path, workdir: Path, by: str, n: int, calculator: str | None) -> None:
    """How many of n crystals that aren't in the training set are found, before and after relaxation.

    All samples are drawn only of those crystals that the first one misses.
    """
    chosen = kept(workdir / f"unknown-{n}.extxyz", lambda: unknown(rows(test), rows(train), n))
    source = source_of(by, quick=True)
    targets = wanted(chosen, source)
    folder = workdir / f"rediscovery-{by}-{len(chosen)}"
    engine = None if calculator is None else find_engine(calculator)
    found: dict[bool, dict[str, dict]] = {}
    for samples in (1, SAMPLES[-1]):
        structures = defaultdict(list)
        for atoms in drawn(source, targets, samples, 1, folder / f"{samples}"):
            structures[atoms.info["material_id"]].append(atoms)
        for relaxed in (False, True) if engine else (False,):
            ledger = folder / f"{'relaxed' if relaxed else 'drawn'}-{samples}.jsonl"
            own = found.setdefault(relaxed, {})
            own |= looked_for(chosen, structures, engine if relaxed else None, ledger)
            show_found(chosen, own, by, relaxed)
        missed = {name for own in found.values() for name, row in own.items() if row["place"] is None}
        targets = [target for target in targets if target.material_id in missed]


def looked_for(
    chosen: Sequence[Atoms], structures: Mapping[str, Sequence[Atoms]], engine: Engine | None, ledger: Path
) -> dict[str, dict]:
    """Where each crystal is found among its structures, relaxed if there is an engine; a file keeps what is known."""
    lines = ledger.read_text().splitlines() if ledger.exists() else []
    found = {row["id"]: row for row in map(json.loads, lines)}
    for real in chosen:
        name = real.info["material_id"]
        if name in structures and name not in found:
            if engine is None:
                place, calls = first_match(real, structures[name]), 0
            else:
                place, calls = first_relaxed_match(real, structures[name], engine)
            found[name] = {"id": name, "place": place, "calls": calls}
            with ledger.open("a") as file:
                file.write(json.dumps(found[name]) + "\n")
    return found


def show_found(chosen: Sequence[Atoms], results: Mapping[str, dict], by: str, relaxed: bool) -> None:
    """Shares found with 1, 10 and 50 samples, in all and by crystal system; what could not be drawn isn't found."""
    table = defaultdict(list)
    for real in chosen:
        place = results.get(real.info["material_id"], {}).get("place")
        for key in ("all", crystal_system(real.info["group"])):
            table[key].append(np.inf if place is None else place)
    calls = sum(row["calls"] for row in results.values())
    print(f"found by {by}, {'after relaxation' if relaxed else 'as drawn'}, {calls} force calls")
    for key, places in table.items():
        shares = "".join(f"{np.mean(np.array(places) < k):10.3f}" for k in SAMPLES)
        print(f"    {key:14}{len(places):5}{shares}", flush=True)


# ---- by name


def named_table(known: Sequence[Atoms], workdir: Path, names: dict[str, list[str]], calculator: str, jobs: int) -> None:
    """Crystals asked for by system and group, none of that system known: matched, relaxed, above the hull, phonons.

    Competing phases are the known crystals of the same elements near the hull, relaxed in the same way.
    """
    shipped = Catalogue.shipped()
    for name, formulas in names.items():
        symbols, group = name.split()
        elements = {atomic_numbers[symbol] for symbol in symbols.split("-")}
        inside = [atoms for atoms in known if set(atoms.numbers.tolist()) <= elements]
        reals = [a for a in inside if set(a.numbers.tolist()) == elements and a.info["group"] == int(group)]
        folder = workdir / f"named-{symbols}"
        folder.mkdir(exist_ok=True)
        shipped.without(elements).write(folder / "known.safetensors", {"name": name})
        source = open_source("analogy", known=folder / "known.safetensors")
        targets = [target for f in formulas if (target := target_in(f, int(group), source)) is not None]
        candidates = drawn(source, targets, EACH, 1, folder / "drawn")
        for real in reals:
            print(f"{name}: {real.info['material_id']} is sample {first_match(real, candidates)} of {len(candidates)}")
        write(folder / "candidates.extxyz", [plain(atoms, f"{name}, {k}") for k, atoms in enumerate(candidates)])
        phases = [a for a in inside if a.info["above"] <= ON_THE_HULL and all(a is not real for real in reals)]
        competing = folder / "phases.extxyz" if phases else None  # the elements are always there
        if competing:
            write(competing, [plain(atoms, atoms.info["material_id"]) for atoms in phases])
        options = {"relaxer": None, "reference": competing, "best": 1, "jobs": jobs}
        for result in screen(folder / "candidates.extxyz", folder / "screening", calculator, **options):
            if result["e_known"] is not None:
                verdict, lowest = result["phonons"], result["lowest_frequency"]
                asked = f"phonons: {verdict}, {lowest:.2f} THz" if verdict else ""
                crystal, calls = f"{result['formula']} {result['space_group']}", result["force_calls"]
                print(f"{result.name}: {crystal} {result['e_known']:+.3f} eV/atom above the", end="")
                print(f" known hull ({result['decomposes_into']}); {calls} force calls; {asked}", flush=True)


def target_in(formula: str, group: int, source: Source) -> Target | None:
    """A formula of a primitive cell in a group, if it fits."""
    numbers = [atomic_numbers[symbol] for symbol, n in parse_formula(formula).items() for _ in range(n)]
    (cell,) = from_numbers(numbers)
    target = Target(cell, group)
    try:
        source.check([target], force=True)
    except InputError as error:
        print(error)
        return None
    return target


def plain(atoms: Atoms, name: str) -> Atoms:
    """Without anything but the crystal and its name."""
    made = Atoms(atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=True)
    made.info["material_id"] = name
    return made


# ---- without arguments


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
