"""What decides in discovery: how likely proposals are, how far targets steer, whether structure types are found.

    python examples/studies/discovery_tables.py proposals val.csv.gz
    python examples/studies/discovery_tables.py compositions train.csv.gz test.csv.gz bulk_modulus 200 inf
    python examples/studies/discovery_tables.py targets band_gap=1..2 bulk_modulus=200.. --proposals 64 --out targets
    python examples/studies/discovery_tables.py moduli targets/bulk_modulus=200...extxyz -n 10
    python examples/studies/discovery_tables.py drift -n 100
    python examples/studies/discovery_tables.py shortlist val.csv.gz -n 100

`proposals` says how likely the compositions of crystals are that weren't learned from, and how many of the compositions
that are proposed are known ones that weren't learned from. `compositions` asks how well the compositions of crystals
with a property foretell that of others. `targets` compares runs with and without each target, of one
seed and number of proposals; `moduli` asks a potential about the bulk moduli of what they kept. `drift` plays rounds in
which crystals of rare earths are kept more often than others, with discounts of several strengths. `shortlist` asks
whether the search for structure types loses any: known crystals are compared with all others of their numbers of atoms,
not with the few most similar ones alone. The other half of the study is `discovery_variants.py`.
"""

from __future__ import annotations

import argparse
import re
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas
from ase import Atoms, units
from ase.calculators.calculator import Calculator
from ase.data import atomic_numbers
from ase.io import write
from ase.optimize import BFGS
from discovered.variants import MOST_ATOMS, known_cells
from numpy.typing import NDArray
from scipy.spatial.distance import jensenshannon
from sklearn.metrics import roc_auc_score

from asegen import Discoverer
from asegen.calculators.verification import Verifier
from asegen.criteria.criterion import read_criteria
from asegen.criteria.judging import Criteria
from asegen.discovery import balance
from asegen.discovery.balance import Balance
from asegen.discovery.cells import Cell, cells_of, stable_cells
from asegen.discovery.chemistry import Chemistry
from asegen.discovery.families import families
from asegen.discovery.guidance import guidance_of
from asegen.discovery.likelihood import Likelihood
from asegen.discovery.loop import ROUND
from asegen.discovery.proposal import PROPOSALS, Proposer, exchange_matrix
from asegen.discovery.records import HIGH, KEPT, Record
from asegen.discovery.target_model import KernelMean
from asegen.elements import LAST
from asegen.hull.table import shipped_hull
from asegen.potentials.engine import find_engine
from asegen.prototypes import novelty
from asegen.prototypes.catalogue import Catalogue
from asegen.prototypes.sources import KNOWN, open_library
from asegen.structures.atoms import read_structures
from asegen.structures.oxidation import may_be_neutral
from asegen.structures.validity import check_atoms


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


def compositions(args: argparse.Namespace) -> None:
    """How many held-out crystals lie in a range: of all, of those drawn by probability, of a tenth."""
    train, test = (pandas.read_csv(path).dropna(subset=[args.column]) for path in (args.train, args.test))
    train = train.sample(min(args.n, len(train)), random_state=args.seed)
    cells = [[_cell_of_cif(cif) for cif in split["cif"]] for split in (train, test)]
    known, met = (split[args.column].between(args.low, args.high).to_numpy(float) for split in (train, test))
    probabilities = KernelMean(cells[0], known).at(cells[1])
    best = np.argsort(-probabilities)[: len(test) // 10]
    print(
        f"{len(train)} known, {len(test)} held out, {met.mean():.3f} in the range; drawn by the probabilities", end=" "
    )
    print(f"{met @ probabilities / probabilities.sum():.3f}, of the likeliest tenth {met[best].mean():.3f}", end="; ")
    print(f"area under the curve {roc_auc_score(met, probabilities):.3f}, mean {probabilities.mean():.3f}")


def _cell_of_cif(text: str) -> Cell:
    (formula,) = re.findall(r"_chemical_formula_sum\s+'?([^'\n]+)'?", text)
    return Cell.of(1, Counter(Atoms(formula.replace(" ", "")).numbers.tolist()))


def targets(args: argparse.Namespace) -> None:
    """How many finds meet each target with and without it, for equal numbers of proposals, and at what cost."""
    args.out.mkdir(parents=True, exist_ok=True)
    for wanted in ("", *args.targets):
        start = time.process_time()
        discoverer = Discoverer(potential="none", targets=[wanted] if wanted else [])
        found = discoverer.run(None, 10_000, args.seed, proposals=args.proposals)
        seconds = time.process_time() - start
        print(wanted or "no target", f"{seconds:.0f} CPU s", {fate: n for fate, n in found.funnel if n})
        for target in args.targets:
            judged = Criteria(read_criteria([target])).judge(found.structures)
            met = sum(one.is_met for one in judged)
            expected = sum(one.probability for one in judged)
            print(f"  {target}: {met} of {len(judged)} predicted to meet it, {expected:.1f} expected by the deviations")
        write(args.out / f"{wanted or 'none'}.extxyz", found.structures)


def moduli(args: argparse.Namespace) -> None:
    """Bulk moduli by a potential beside those that the network predicts, smallest cells first."""
    crystals = sorted((one.atoms for one in read_structures(args.crystals) if isinstance(one.atoms, Atoms)), key=len)
    verifier, calculator = Verifier(args.potential, 100), find_engine(args.potential).calculator()
    predicted = Criteria(read_criteria(["bulk_modulus=0.."])).judge(crystals)
    for atoms, judgement in list(zip(crystals, predicted, strict=True))[: args.n]:
        relaxed = verifier.verify(atoms)
        start = time.process_time()
        found = _bulk_modulus(relaxed.atoms, calculator)
        seconds = time.process_time() - start
        value, deviation = (judgement.values.get(f"bulk_modulus_{name}", np.nan) for name in ("predicted", "std"))
        print(
            f"{atoms.symbols} {found:.0f} GPa by the potential; predicted "
            f"{value:.0f} ± {deviation:.0f}; e_hull {relaxed.e_hull:.3f}; "
            f"{seconds:.0f} CPU s",
            flush=True,
        )


def _bulk_modulus(atoms: Atoms, calculator: Calculator) -> float:
    """GPa, Voigt's average: from the pressure at volumes 1.5 % smaller and larger, of one shape, positions relaxed."""
    pressures, volumes = [], []
    for strain in (-0.005, 0.005):
        strained = atoms.copy()
        strained.set_cell(atoms.cell * (1 + strain), scale_atoms=True)
        strained.calc = calculator
        BFGS(strained, logfile=None).run(fmax=0.02, steps=40)
        pressures.append(-strained.get_stress()[:3].mean() / units.GPa)
        volumes.append(np.log(strained.get_volume()))
    return float(-(pressures[1] - pressures[0]) / (volumes[1] - volumes[0]))


RARE_EARTHS = "lanthanide"
KEPT_SHARES = (0.65, 0.4)
"""Of proposals with a rare earth and without one, as in runs without a discount."""


def drift(args: argparse.Namespace) -> None:
    """How far kept crystals' elements drift from those of known crystals, by the strength of the discount."""
    cells = known_cells()
    learned, hull = stable_cells(Catalogue.shipped()), shipped_hull()
    chemistry = Chemistry(max_atoms=MOST_ATOMS)
    proposer = Proposer(learned, chemistry, is_known=lambda c: hull.knows(c.composition), balance=Balance(cells))
    likelihood = Likelihood(learned, exchange_matrix("learned", learned))
    for strength in (0.0, 3.0, 6.0, 12.0, 25.0, 50.0):
        balance.STRENGTH = strength
        kept, tried = _played(proposer, args.n, args.seed)
        divergence = jensenshannon(_elements(kept), _elements(cells), base=2) ** 2
        rare, oxides = (np.mean([holds(cell) for cell in kept]) for holds in (_has_rare_earth, _has_oxygen))
        mean = np.mean([likelihood.logarithm(cell) for cell in tried])
        print(f"{strength:g}: JS {divergence:.3f}, rare earths {rare:.2f}, O {oxides:.2f}, mean ln p {mean:.2f}")
    chance = np.random.default_rng(args.seed).choice(len(cells), args.n, replace=False)
    divergence = jensenshannon(_elements([cells[k] for k in chance]), _elements(cells), base=2) ** 2
    print(
        f"as many known crystals: JS {divergence:.3f}, rare earths {np.mean([_has_rare_earth(c) for c in cells]):.2f}"
    )


def _played(proposer: Proposer, n: int, seed: int) -> tuple[list[Cell], list[Cell]]:
    """What is kept, and what was proposed, where chance and rare earths alone decide."""
    records: list[Record] = []
    rng = np.random.default_rng(seed + 100)
    while sum(record.fate == KEPT for record in records) < n:
        number = len(records) // ROUND
        for route in proposer.propose(ROUND, np.random.default_rng([seed, 1, number]), guidance_of(records, None)):
            fate = KEPT if rng.random() < KEPT_SHARES[not _has_rare_earth(route.cell)] else HIGH
            records.append(Record(len(records), number, route.cell, "", "", fate))
    return [record.cell for record in records if record.fate == KEPT][:n], [record.cell for record in records]


def _has_rare_earth(cell: Cell) -> bool:
    return RARE_EARTHS in families(cell.numbers)


def _has_oxygen(cell: Cell) -> bool:
    return atomic_numbers["O"] in cell.numbers


def _elements(cells: Sequence[Cell]) -> NDArray[np.float64]:
    """(LAST + 1,), the mean over crystals of the share of each element in the atoms."""
    shares = np.zeros(LAST + 1)
    for cell in cells:
        shares[list(cell.numbers)] += np.array(cell.counts) / sum(cell.counts)
    return shares / len(cells)


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
    five = commands.add_parser("proposals")
    five.add_argument("crystals", type=Path)
    five.set_defaults(run=proposals)
    three = commands.add_parser("targets")
    three.add_argument("targets", nargs="+", metavar="NAME=A..B")
    three.add_argument("--proposals", type=int, default=64)
    three.add_argument("--out", type=Path, default=Path("targets"))
    three.set_defaults(run=targets)
    seven = commands.add_parser("drift")
    seven.set_defaults(run=drift)
    four = commands.add_parser("shortlist")
    four.add_argument("crystals", type=Path)
    four.set_defaults(run=shortlist)
    two = commands.add_parser("compositions")
    two.add_argument("train", type=Path)
    two.add_argument("test", type=Path)
    two.add_argument("column")
    two.add_argument("low", type=float)
    two.add_argument("high", type=float)
    two.set_defaults(run=compositions)
    six = commands.add_parser("moduli")
    six.add_argument("crystals", type=Path)
    six.add_argument("--potential", default="chgnet")
    six.set_defaults(run=moduli)
    for command in (two, three, four, five, six, seven):
        command.add_argument("-n", type=int, default=60)
        command.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
