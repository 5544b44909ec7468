"""How often templates, both diffusion models and all of them together find the right crystal, ranked and not.

    for split in train test; do asegen ingest mp/$split.csv.gz -o shards/mp; done
    python examples/studies/hybrid_tables.py --data shards/mp --workdir tables -n 300 --types --plot hybrid.png
    python examples/studies/hybrid_tables.py --data shards/mp --workdir tables -n 100 --methods template diffusion

Crystals of a split are taken in one random order, so that a larger `-n` adds to a smaller one. What is known of
each stands in a line of WORKDIR/METHOD.jsonl; run it again after an interruption and it does the rest. Seconds are
processor time: drawing, relaxing and energies of all candidates, and taking the different ones. Without arguments a
few alloys and EMT stand in.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase import Atoms
from ase.build import bulk

from asegen.calculators import Ranking, open_source
from asegen.data.shards import CrystalDataset, load_split, write_shards
from asegen.generation.compositions import from_numbers
from asegen.generation.ranked import Ranked
from asegen.generation.ranking import LIKELIHOOD
from asegen.generation.target import Target
from asegen.metrics.matching import pair_distance, same_crystal
from asegen.prototypes.library import TemplateLibrary
from asegen.prototypes.sources import open_library
from asegen.prototypes.substitution import substituted, substitutions
from asegen.structures.atoms import atoms_from_crystals, crystals_from_atoms

METHODS = ("hybrid", "template", "diffusion", "symmetric")
_KEEP = 20
_AT_ONCE = 16  # formulas between two writes
_DRAWN_AT_ONCE = 64
_LOOKED_AT = 100
"""Known crystals, the likeliest first, that are asked whether a crystal has their structure."""
ON_HULL = 1e-4
Record = dict[str, Any]


def ranked(method: str, library: TemplateLibrary, rank: str, candidates: int) -> Ranked:
    """A method's candidates, ranked by likelihood; what networks draw is drawn once, without a search."""
    templates = library if method in ("hybrid", "template") else None
    source = open_source(method, templates=templates, quick=True)
    size = 2 * candidates if method == "hybrid" else candidates
    return Ranked(source, Ranking(rank, size, order_by=LIKELIHOOD), _DRAWN_AT_ONCE)


def is_known(library: TemplateLibrary, atoms: Atoms) -> bool:
    """Whether a known crystal has the same structure but for its elements, by StructureMatcher's own tolerances."""
    likeliest = substitutions(library, atoms.numbers.tolist())[:_LOOKED_AT]
    return any(same_crystal((atoms, substituted(library, one))) for one in likeliest)


def measure(path: Path, method: Ranked, truths: Sequence[tuple[str, Atoms]]) -> None:
    """Appends a line for each crystal, by name, that has none."""
    done = {record["id"] for record in lines(path)}
    left = [k for k, (name, _) in enumerate(truths) if name not in done]
    for start in range(0, len(left), _AT_ONCE):
        part = left[start : start + _AT_ONCE]
        targets = [Target(from_numbers(truths[k][1].numbers.tolist())[0]) for k in part]
        begun = time.process_time()
        pools = method.pools(targets, seed=1)
        kept = [[a.info["candidate"] for a in method.best(pool, _KEEP)] for pool in pools]
        seconds = (time.process_time() - begun) / len(part)
        with open(path, "a", encoding="utf-8") as file:
            for k, pool, best in zip(part, pools, kept, strict=True):
                found = [judged(truths[k][1], atoms) for atoms in pool]
                record = {"id": truths[k][0], "seconds": seconds, "kept": best, "candidates": found}
                file.write(json.dumps(record) + "\n")
        print(f"{path.stem}: {start + len(part)} of {len(left)}", flush=True)


def look(path: Path, library: TemplateLibrary, truths: Sequence[tuple[str, Atoms]]) -> dict[str, bool]:
    """Which crystals have a known structure, from the file as far as it goes."""
    found = {record["id"]: record["known"] for record in lines(path)}
    with open(path, "a", encoding="utf-8") as file:
        for name, atoms in truths:
            if name not in found:
                found[name] = is_known(library, atoms)
                file.write(json.dumps({"id": name, "known": found[name]}) + "\n")
                file.flush()
    return found


def judged(truth: Atoms, atoms: Atoms) -> Record:
    """What the tables need of a candidate."""
    names = ("candidate", "source", "log_prior", "score", "energy_per_atom")
    return {**{name: atoms.info.get(name) for name in names}, "rms": pair_distance((truth, atoms))}


def lines(path: Path) -> list[Record]:
    """The records of a file, whose last line may be cut off."""
    if not path.exists():
        return []
    whole = [line for line in path.read_text(encoding="utf-8").splitlines(keepends=True) if line.endswith("\n")]
    path.write_text("".join(whole), encoding="utf-8")
    return [json.loads(line) for line in whole]


# -- what the records say ----------------------------------------------------------------------------------------------


def drawn_first(record: Record) -> list[Record]:
    """Candidates as they came."""
    return sorted(record["candidates"], key=lambda one: one["candidate"])


def kept_first(record: Record) -> list[Record]:
    """The different ones in the order of the ranking."""
    by_number = {one["candidate"]: one for one in record["candidates"]}
    return [by_number[number] for number in record["kept"]]


def best_first(key: str, without: Iterable[str] = ()) -> Callable[[Record], list[Record]]:
    """All candidates, but for some sources, in the order of one of their numbers."""
    sign = -1 if key in ("log_prior", "score") else 1

    def order(record: Record) -> list[Record]:
        left = [one for one in drawn_first(record) if one["source"] not in without]
        return sorted(left, key=lambda one: np.inf if one[key] is None else sign * one[key])

    return order


def share(records: Sequence[Record], order: Callable[[Record], list[Record]], k: int) -> str:
    """Share of crystals found among the first `k`, %, with its standard error."""
    hits = [any(one["rms"] is not None for one in order(record)[:k]) for record in records]
    if not hits:
        return "–"
    return f"{100 * np.mean(hits):.1f} ± {100 * np.std(hits) / np.sqrt(len(hits)):.1f}"


def rmse(records: Sequence[Record], order: Callable[[Record], list[Record]]) -> str:
    """Mean distance of those that are found first."""
    first = [found[0]["rms"] for record in records if (found := order(record)) and found[0]["rms"] is not None]
    return f"{np.mean(first):.3f}" if first else "–"


def report(records: dict[str, list[Record]]) -> None:
    """Prints all tables."""
    report_methods(records)
    report_groups(records)
    if hybrid := records.get("hybrid"):
        report_orders(hybrid)


def report_methods(records: dict[str, list[Record]]) -> None:
    """Match rates and costs of each method, as drawn and ranked."""
    rows = []
    for method, own in records.items():
        for name, order in (("as drawn", drawn_first), ("ranked", kept_first)):
            calls = np.mean([sum(one["energy_per_atom"] is not None for one in record["candidates"]) for record in own])
            cost = (
                (f"{np.mean([record['seconds'] for record in own]):.2f}", f"{calls:.1f}")
                if order is kept_first
                else ("", "")
            )
            found = [share(own, order, k) for k in (1, 5, 20)]
            rows.append((f"{method}, {name}", str(len(own)), found[0], rmse(own, order), *found[1:], *cost))
    table(("", "crystals", "first, %", "RMSE", "best of 5, %", "best of 20, %", "s", "energies"), rows)


def report_groups(records: dict[str, list[Record]]) -> None:
    """Match rates of crystals of known and of new types, with templates and without, on the hull and above it."""
    with_template = {
        record["id"]
        for record in chain(records.get("hybrid", []), records.get("template", []))
        if any(one["source"] == "template" for one in record["candidates"])
    }
    groups: dict[str, Callable[[Record], bool]] = {
        "known structure type": lambda record: record["known"] is True,
        "new structure type": lambda record: record["known"] is False,
        "no template": lambda record: record["id"] not in with_template,
        "on the hull": lambda record: record["above_hull"] <= ON_HULL,
        "above the hull": lambda record: record["above_hull"] > ON_HULL,
    }
    for title, chosen in groups.items():
        part = {method: [record for record in own if chosen(record)] for method, own in records.items()}
        rows = [
            (method, str(len(own)), share(own, drawn_first, 1), *(share(own, kept_first, k) for k in (1, 5, 20)))
            for method, own in part.items()
        ]
        if any(part.values()):
            table((title, "crystals", "first drawn, %", "first ranked, %", "best of 5, %", "best of 20, %"), rows)


def report_orders(hybrid: list[Record]) -> None:
    """Match rates of the hybrid method's candidates in other orders, and with fewer sources."""
    sources = sorted({one["source"] for record in hybrid for one in record["candidates"]})
    orders = {"all": best_first("score"), "prior alone": best_first("log_prior")}
    orders["energy alone"] = best_first("energy_per_atom")
    orders |= {f"without {source}": best_first("score", [source]) for source in sources}
    orders |= {f"{source} alone": best_first("score", set(sources) - {source}) for source in sources}
    orders |= {f"{source} alone, as drawn": best_first("candidate", set(sources) - {source}) for source in sources}
    rows = [(name, share(hybrid, order, 1), share(hybrid, order, 10_000)) for name, order in orders.items()]
    table(("hybrid", "first, %", "best of all, %"), rows)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Prints a table in Markdown."""
    for row in (head, ["---"] * len(head), *rows):
        print("| " + " | ".join(row) + " |")
    print()


def plot(records: dict[str, list[Record]], path: Path) -> None:
    """Match rate against the cost of as many candidates as there are."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.5, 4.5), layout="constrained")
    axes = figure.subplots()
    for color, (method, own) in enumerate(records.items()):
        most = max(len(record["candidates"]) for record in own)
        numbers = [k for k in (1, 2, 3, 5, 7, 10, 14, 20, 28) if k < most] + [most]
        cost = [k / most * np.mean([record["seconds"] for record in own]) for k in numbers]
        parts = [[{**r, "candidates": drawn_first(r)[:k]} for r in own] for k in numbers]
        for style, order, k in (("-", best_first("score"), 1), ("--", drawn_first, most)):
            rates = [float(share(part, order, k).split()[0]) for part in parts]
            label = f"{method}, {'ranked first' if k == 1 else 'best of all'}"
            axes.plot(cost, rates, style, marker=".", color=f"C{color}", label=label)
    axes.set_xscale("log")
    axes.set_xlabel("processor seconds per composition")
    axes.set_ylabel("match rate, %")
    axes.grid(alpha=0.3)
    figure.legend(fontsize="small", loc="outside right upper")
    figure.savefig(path, dpi=120)


# -- stand-ins ---------------------------------------------------------------------------------------------------------


def alloys(folder: Path) -> None:
    """A few ordered alloys as splits."""

    def layered(a: str, b: str, length: float) -> Atoms:
        return Atoms(
            [a, b],
            scaled_positions=[(0, 0, 0), (0.5, 0.5, 0.5)],
            cell=np.diag([length, length, 1.4 * length]),
            pbc=True,
        )

    known = [layered("Cu", "Au", 2.8), bulk("NiAl", "cesiumchloride", a=2.9), bulk("Cu"), bulk("Ag")]
    tests = [layered("Ag", "Au", 2.9), bulk("PdAl", "cesiumchloride", a=3.05), bulk("Ni")]
    for split, crystals in (("train", known), ("test", tests)):
        names = [f"{k}-{atoms.symbols}" for k, atoms in enumerate(crystals)]
        targets = {"energy_above_hull": torch.zeros(len(names))}
        write_shards(folder, split, CrystalDataset(crystals_from_atoms(crystals), targets, names))


@contextmanager
def folders(data: Path | None, workdir: Path | None) -> Iterator[tuple[Path, Path]]:
    """Those of the splits and of the records, made if missing; without splits, `alloys` for as long as it takes."""
    with tempfile.TemporaryDirectory() as temporary:
        if data is None:
            alloys(Path(temporary))
        records = workdir or Path(temporary)
        records.mkdir(parents=True, exist_ok=True)
        yield data or Path(temporary), records


def in_random_order(split: CrystalDataset, n: int) -> list[tuple[str, Atoms]]:
    """Names and crystals of a split; a larger number adds to a smaller one."""
    order = np.random.default_rng(0).permutation(len(split))[:n].tolist()
    crystals = atoms_from_crystals(split.crystals)
    return [(split.ids[k], crystals[k]) for k in order]


def main() -> None:
    """Measures what isn't measured yet, and prints tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of the splits, train among them")
    parser.add_argument("--workdir", type=Path)
    parser.add_argument("--split", default="test", help="whose crystals are looked for")
    parser.add_argument("-n", type=int, default=300, help="so many of them")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--candidates", type=int, default=20, help="of each method; of the hybrid twice as many")
    parser.add_argument("--rank", default="chgnet")
    parser.add_argument("--types", action="store_true", help="tell which crystals have a new structure type")
    parser.add_argument("--plot", type=Path, help="write the cost curve there")
    args = parser.parse_args()
    with folders(args.data, args.workdir) as (data, workdir):
        rank, candidates = (args.rank, args.candidates) if args.data else ("emt", 2)
        library, test = open_library(str(data / "train")), load_split(data, args.split)
        truths = in_random_order(test, args.n)
        for method in args.methods:
            measure(workdir / f"{method}.jsonl", ranked(method, library, rank, candidates), truths)
        known = look(workdir / "known.jsonl", library, truths) if args.types or args.data is None else {}
        hull = dict(zip(test.ids, test.targets["energy_above_hull"].tolist(), strict=True))
        records = {method: own for method in METHODS if (own := lines(workdir / f"{method}.jsonl"))}
        for record in chain(*records.values()):
            record |= {"known": known.get(record["id"]), "above_hull": hull[record["id"]]}
        report(records)
        if args.plot is not None:
            plot(records, args.plot)


if __name__ == "__main__":
    main()
