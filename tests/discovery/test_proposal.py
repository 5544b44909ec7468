"""Exchanges, probabilities of compositions, and what is drawn: against counts by hand, sums, and constraints."""

import math
from collections import Counter
from itertools import product

import numpy as np
import pytest
from ase.data import atomic_numbers

from asegen.discovery.cells import Cell, Routes
from asegen.discovery.chemistry import Chemistry
from asegen.discovery.exchange import learned_exchanges, uniform_exchanges
from asegen.discovery.guidance import Guidance
from asegen.discovery.likelihood import Likelihood
from asegen.discovery.proposal import PROPOSALS, Proposer, exchange_matrix
from asegen.discovery.target_model import KernelMean, TargetModel
from asegen.errors import InputError
from asegen.structures.oxidation import may_be_neutral


def z(symbol: str) -> int:
    return atomic_numbers[symbol]


def rng(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def cell(group: int, **counts: int) -> Cell:
    return Cell.of(group, {z(symbol): n for symbol, n in counts.items()})


CELLS = [
    cell(225, Na=1, Cl=1),
    cell(225, K=1, Cl=1),
    cell(225, Na=1, Br=1),
    cell(221, Cs=1, I=1),
    cell(221, Sr=1, Ti=1, O=3),
]


def test_exchanges_are_those_that_known_crystals_differ_by() -> None:
    found = learned_exchanges(((c.group, c.composition) for c in CELLS), prior_weight=0.0)
    assert found[z("Na"), z("K")] == 1 and found[z("Cl"), z("Br")] == 1 and found[z("K"), z("Na")] == 1
    assert found[z("Cs")].sum() == 0  # another space group
    with_prior = learned_exchanges((c.group, c.composition) for c in CELLS)
    occurring = sorted({number for c in CELLS for number in c.numbers})
    assert with_prior[occurring].sum(1) == pytest.approx(np.ones(len(occurring)))
    assert with_prior.diagonal().sum() == 0 and with_prior[:, z("Fe")].sum() == 0
    assert with_prior[z("Cs"), z("K")] > with_prior[z("Cs"), z("O")]


def test_probabilities_of_all_compositions_sum_up_to_one() -> None:
    exchanges = exchange_matrix("learned", CELLS)
    likelihood = Likelihood(CELLS, exchanges)
    elements = sorted({number for c in CELLS for number in c.numbers})
    total = sum(
        math.exp(likelihood.logarithm(Cell(1, (a, b), (1, 1)))) / 2  # AB and BA are one formula, each with both orders
        for a, b in product(elements, elements)
        if a != b
    )
    total += sum(
        math.exp(likelihood.logarithm(Cell(1, (a, b, c), (1, 1, 3)))) / 2 for a, b, c in product(elements, repeat=3)
    )
    twice = sum((exchanges[c.numbers[0]] * exchanges[c.numbers[1]]).sum() for c in CELLS[:4]) / len(CELLS)
    assert total + twice == pytest.approx(1, abs=0.02)


def test_drawing_follows_the_probabilities() -> None:
    exchanges = exchange_matrix("learned", CELLS)
    elements = frozenset(number for c in CELLS for number in c.numbers)
    draw = Routes(CELLS, exchanges, lambda size: [(elements,) * size]).sampler(np.random.default_rng(0))
    drawn = Counter(draw().cell.formula for _ in range(4000))
    likelihood = Likelihood(CELLS, exchanges)
    for formula, count in drawn.most_common(5):
        expected = 4000 * math.exp(likelihood.logarithm(Cell.of(1, dict(formula))))
        assert abs(count - expected) < 4 * math.sqrt(expected)


@pytest.mark.parametrize("method", PROPOSALS)
def test_what_is_proposed_is_wanted_new_and_the_same_for_a_seed(method: str) -> None:
    known = {c.formula for c in CELLS}
    proposer = Proposer(CELLS, Chemistry(exclude="Cs"), method, lambda one: one.formula in known)
    routes = proposer.propose(4, np.random.default_rng(1))
    assert routes and routes == proposer.propose(4, np.random.default_rng(1))
    formulas = [route.cell.formula for route in routes]
    assert len(set(formulas)) == len(formulas) and not known & set(formulas)
    for route in routes:
        assert z("Cs") not in route.cell.numbers and may_be_neutral(route.cell.composition)
        assert route.cell.counts == route.parent.counts
    assert not {r.cell.formula for r in proposer.propose(4, np.random.default_rng(1), Guidance(tried=formulas))} & set(
        formulas
    )


@pytest.mark.parametrize(
    ("chemistry", "holds"),
    [
        (Chemistry("Na K | *"), lambda zs: len(zs) == 2 and zs & {z("Na"), z("K")}),
        (Chemistry("Sr | O | *"), lambda zs: len(zs) == 3 and {z("Sr"), z("O")} < zs),
        (Chemistry(system="Na-K-Br"), lambda zs: len(zs) > 1 and zs <= {z("Na"), z("K"), z("Br")}),
        (Chemistry(max_elements=2), lambda zs: len(zs) == 2),
        (Chemistry(max_atoms=3), lambda zs: len(zs) == 2),
        (Chemistry(spacegroups="Pm-3m"), lambda zs: True),
    ],
)
def test_wishes_are_kept(chemistry: Chemistry, holds: object) -> None:
    routes = Proposer(CELLS, chemistry).propose(6, np.random.default_rng(0))
    assert routes and all(holds(set(route.cell.numbers)) for route in routes)  # type: ignore[operator]
    if chemistry.spacegroups:
        assert {route.parent.group for route in routes} == {221}


def test_what_did_well_is_proposed_more() -> None:
    proposer = Proposer(CELLS, Chemistry(), "uniform")
    plain, helped = (
        Counter(r.cell.anonymous for r in proposer.propose(60, np.random.default_rng(0), Guidance(success=factors)))
        for factors in ({}, {(1, 1, 3): 50.0})
    )
    assert helped[1, 1, 3] > plain[1, 1, 3]


def test_targets_steer_the_proposals() -> None:
    halides = [cell(225, **{a: 1, b: 1}) for a in ("Li", "Na", "K", "Rb", "Cs") for b in ("F", "Cl", "Br", "I")]
    others = [cell(225, **{a: 1, b: 1}) for a in ("Mg", "Ca", "Sr", "Ba") for b in ("O", "S", "Se", "Te")]
    cells = halides + others
    proposer = Proposer(cells, Chemistry())
    is_other = KernelMean(cells, [0.0] * len(halides) + [1.0] * len(others))
    targets = TargetModel(is_other, KernelMean([], [], 0.5))

    def count(guidance: Guidance) -> int:
        routes = [route for seed in range(4) for route in proposer.propose(4, rng(seed), guidance)]
        return sum(bool({8, 16, 34, 52} & set(route.cell.numbers)) for route in routes)

    assert count(Guidance(targets=targets)) > 1.5 * count(Guidance())


def test_what_no_crystal_leads_to_is_refused() -> None:
    with pytest.raises(InputError, match="no known crystal"):
        Proposer(CELLS, Chemistry("Na | K | Rb | Cl"))


@pytest.mark.parametrize(
    ("formula", "neutral"),
    [("Na1Cl1", True), ("Fe3O4", True), ("Na1O3", False), ("Sr1Ti1O3", True), ("Li1F2", False), ("Cu3Au1", True)],
)
def test_neutrality(formula: str, neutral: bool) -> None:
    from asegen.structures.formulas import parse_formula

    assert may_be_neutral({z(s): n for s, n in parse_formula(formula).items()}) is neutral


def test_uniform_exchanges_have_equal_shares() -> None:
    found = uniform_exchanges([1, 2, 3])
    assert found[1, [2, 3]] == pytest.approx([0.5, 0.5]) and found[1, 1] == 0
