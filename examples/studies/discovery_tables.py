"""How stable and how new crystals of unasked composition are: discovery and its parts beside plain baselines.

    python examples/studies/discovery_tables.py draw VARIANT -n 60 --seed 1 --out drawn
    python examples/studies/discovery_tables.py judge drawn/VARIANT.extxyz --potential chgnet
    python examples/studies/discovery_tables.py proposals val.csv.gz
    python examples/studies/discovery_tables.py targets --seed 1
    python examples/studies/discovery_tables.py shortlist val.csv.gz -n 100

`proposals` says how likely the compositions of crystals are that weren't learned from, and how many of the compositions
that are proposed are known ones that weren't learned from. `draw` writes structures that haven't seen a potential, and
the processor seconds that they took; `judge` relaxes them and prints one row of the table. `shortlist` asks whether the
search for structure types loses any: known crystals are compared with all others of their numbers of atoms, not with
the few most similar ones alone.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.io import write

from asegen import Discoverer, Generator, evaluate
from asegen.discovery.cells import Cell, cells_of, stable_cells
from asegen.discovery.chemistry import Chemistry
from asegen.discovery.likelihood import Likelihood
from asegen.discovery.proposal import PROPOSALS, Proposer, exchange_matrix
from asegen.generation.compositions import composition
from asegen.hull.table import shipped_hull
from asegen.prototypes import novelty
from asegen.prototypes.catalogue import Catalogue
from asegen.prototypes.sources import KNOWN, open_library
from asegen.structures.atoms import read_structures
from asegen.structures.oxidation import may_be_neutral
from asegen.structures.validity import check_atoms

ANY_ENERGY = 99.0
"""eV/atom above the hull: nothing is refused for its energy."""


RANKED = partial(Discoverer, potential="none")
UNRANKED = partial(RANKED, candidates=1, e_hull=ANY_ENERGY)


def discovered(discoverer: Callable[[], Discoverer], n: int, seed: int) -> list[Atoms]:
    """What a new discoverer finds; prints its funnel."""
    found = discoverer().run(None, n, seed)
    print("funnel", {fate: count for fate, count in found.funnel if count})
    return found.structures


def plain_flow(n: int, seed: int) -> list[Atoms]:
    """What the flow draws for compositions of training crystals of at most 20 atoms."""
    cells = [cell for cell in cells_of(Catalogue.shipped()) if sum(cell.counts) <= 20]
    chosen = np.random.default_rng(seed).choice(len(cells), n, replace=False)
    return Generator("diffusion").generate([composition(cells[k].symbols) for k in chosen], seed=seed)


VARIANTS: dict[str, Callable[[int, int], list[Atoms]]] = {
    "discover": partial(discovered, RANKED),
    "near-hull": partial(discovered, partial(RANKED, e_hull=0.0)),
    "no-learning": partial(discovered, partial(RANKED, proposal="uniform")),
    "no-ranking": partial(discovered, UNRANKED),
    "ion-exchange": partial(discovered, partial(UNRANKED, proposal="ion-exchange")),
    "uniform": partial(discovered, partial(UNRANKED, proposal="uniform")),
    "new-type": partial(discovered, partial(RANKED, new="type")),
    "flow": plain_flow,
}
"""Structures that no potential has seen, by name."""


def draw(args: argparse.Namespace) -> None:
    """Draws the structures of a variant."""
    start = time.process_time()
    structures = VARIANTS[args.variant](args.n, args.seed)
    seconds = time.process_time() - start
    args.out.mkdir(parents=True, exist_ok=True)
    write(args.out / f"{args.variant}.extxyz", structures)
    elements = Counter(symbol for atoms in structures for symbol in set(atoms.symbols))
    print(f"{args.variant}: {len(structures)} structures, {seconds / max(1, len(structures)):.2f} CPU s each")
    print("most frequent elements", elements.most_common(12))


def judge(args: argparse.Namespace) -> None:
    """Prints the shares of one file of structures, with standard errors."""
    start = time.process_time()
    metrics = ["validity", "discovery", "novelty", "stability", "chemistry"]
    found = evaluate(
        args.structures,
        args.reference,
        metrics=metrics,
        potential=args.potential,
        protocol=args.protocol,
        cache="cache",
    )
    print(args.structures.name, args.potential, found.structures)
    print(found)
    print(found.metrics["stability"].using)
    print(f"{time.process_time() - start:.0f} CPU s beside those of workers")


def proposals(args: argparse.Namespace) -> None:
    """Likelihood of held-out compositions, and the share of proposals that are known compounds, by method."""
    catalogue, hull = Catalogue.shipped(), shipped_hull()
    cells, learned_from = stable_cells(catalogue), {cell.formula for cell in cells_of(catalogue)}
    crystals = [one.atoms for one in read_structures(args.crystals) if isinstance(one.atoms, Atoms)]
    held_out = {cell.formula: cell for cell in (Cell.of(1, Counter(a.numbers.tolist())) for a in crystals)}
    unseen = [cell for formula, cell in held_out.items() if formula not in learned_from]
    neutral = np.mean([may_be_neutral(cell.composition) for cell in unseen])
    print(f"{len(unseen)} compositions that weren't learned from, {neutral:.3f} of them neutral or metallic")
    for method in PROPOSALS:
        likelihood = Likelihood(cells, exchange_matrix(method, cells))
        mean = np.mean([likelihood.logarithm(cell) for cell in unseen])
        proposer = Proposer(cells, Chemistry(max_atoms=52), method, lambda cell: cell.formula in learned_from)
        routes = proposer.propose(args.n, np.random.default_rng(args.seed))
        known = [hull.knows(route.cell.composition) for route in routes]
        stable = [hull.is_stable(route.cell.composition) for route in routes]
        error = np.sqrt(np.mean(known) * (1 - np.mean(known)) / len(known))
        print(f"{method}: mean ln p {mean:.2f}; known {np.mean(known):.3f} ± {error:.3f}, stable {np.mean(stable):.3f}")


def targets(args: argparse.Namespace) -> None:
    """How much more often predictions meet targets than without them, for equal numbers of proposals."""
    for wanted in (["band_gap=1..2"], ["band_gap=1..2", "density=..4"], ["density=..4"]):
        shares = []
        for asked in (wanted, []):
            found = Discoverer(potential="none", targets=asked).run(None, 10_000, args.seed, proposals=args.proposals)
            shares.append((len(found.structures), _on_target(found.structures, wanted)))
            print("funnel", wanted, bool(asked), {fate: count for fate, count in found.funnel if count})
        print(wanted, "with and without targets, kept and on target:", shares)


def _on_target(structures: list[Atoms], wanted: list[str]) -> int:
    from asegen.criteria.criterion import read_criteria
    from asegen.criteria.judging import Criteria

    return sum(found.is_met for found in Criteria(read_criteria(wanted)).judge(structures))


def shortlist(args: argparse.Namespace) -> None:
    """How many crystals are of a new type by the short list of the most similar ones, and by all known crystals."""
    crystals = [one.atoms for one in read_structures(args.crystals) if isinstance(one.atoms, Atoms)]
    chosen = np.random.default_rng(args.seed).choice(len(crystals), args.n, replace=False)
    sample = [crystals[k] for k in chosen if check_atoms(crystals[k]) is None]
    library = open_library(KNOWN)
    kinds = []
    for far, most in ((novelty._FAR, novelty._MOST_COMPARED), (np.inf, 2000)):
        novelty._FAR, novelty._MOST_COMPARED = far, most
        start = time.process_time()
        kinds.append([novelty.KnownCrystals(library).judge(atoms).kind for atoms in sample])
        print(far, most, Counter(kinds[-1]), f"{(time.process_time() - start) / len(sample):.2f} CPU s each")
    print("lost by the short list:", sum(one != other for one, other in zip(*kinds, strict=True)), "of", len(sample))


def main() -> None:
    """Runs one of the above."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    one = commands.add_parser("draw")
    one.add_argument("variant", choices=sorted(VARIANTS))
    one.add_argument("--out", type=Path, default=Path("drawn"))
    one.set_defaults(run=draw)
    two = commands.add_parser("judge")
    two.add_argument("structures", type=Path)
    two.add_argument("--potential", default="chgnet")
    two.add_argument("--protocol", default="classic")
    two.add_argument("--reference", type=Path)
    two.set_defaults(run=judge)
    five = commands.add_parser("proposals")
    five.add_argument("crystals", type=Path)
    five.set_defaults(run=proposals)
    three = commands.add_parser("targets")
    three.add_argument("--proposals", type=int, default=96)
    three.set_defaults(run=targets)
    four = commands.add_parser("shortlist")
    four.add_argument("crystals", type=Path)
    four.set_defaults(run=shortlist)
    for command in (one, two, three, four, five):
        command.add_argument("-n", type=int, default=60)
        command.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
