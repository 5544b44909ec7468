"""Compositions to be tried: known crystals with some elements exchanged.

A composition is drawn by taking a known crystal and exchanging each of its elements with probability `RATE`, for
another one with the probability of that exchange (`asegen.discovery.exchange`). What many known crystals lead to is
likelier to be a compound than what one leads to by a single rare exchange; so of many compositions drawn few are
chosen, with weights that are a power of their probabilities (`asegen.discovery.likelihood`), times the probability that
they meet the targets (`asegen.discovery.target_model`), with a discount for elements that there is too much of already
(`asegen.discovery.balance`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from asegen.discovery.balance import Balance
from asegen.discovery.cells import Cell, Floats, Route, Routes
from asegen.discovery.chemistry import Chemistry
from asegen.discovery.exchange import Matrix, ionic_exchanges, learned_exchanges, uniform_exchanges
from asegen.discovery.guidance import Guidance
from asegen.discovery.likelihood import Likelihood
from asegen.errors import InputError
from asegen.hull.table import ReducedFormula
from asegen.structures.oxidation import may_be_neutral

LEARNED, ION_EXCHANGE, UNIFORM = "learned", "ion-exchange", "uniform"
PROPOSALS = (LEARNED, ION_EXCHANGE, UNIFORM)
"""How compositions are proposed."""
RATE = 0.5
"""Share of the elements that are exchanged; of 0.2, 0.35 and 0.5 that of the highest likelihood of mp/val."""
SHARPNESS = 1.0
"""Power of the probability by which compositions that were drawn are chosen. The likelihood of mp/val alone would have
0.25; with 1 instead of 0.5, 42 instead of 31 % are compositions of known crystals that weren't learned from."""
_DRAWN = 8
"""Compositions drawn for each that is chosen."""
_MORE_WITH_TARGETS = 4
"""Times as many are drawn with targets, and chosen from by the probability to meet them first."""
_TRIES = 50
"""Draws for each composition that is to be drawn, before there are none left."""
_NEAR_FOUND = 0.25
"""Share of the draws that begin with a crystal that was found, once there are some."""


def check_proposal(method: str) -> None:
    """Refuses a way to propose compositions that there isn't.

    Args:
        method: one of `PROPOSALS`.

    Raises:
        InputError: none of them.
    """
    if method not in PROPOSALS:
        raise InputError(f"proposal = {method!r} is not one of {', '.join(PROPOSALS)}", "proposal")


class Proposer:
    """Proposes compositions.

    Args:
        cells: of known crystals; those that `chemistry` rules out by size or space group are no parents.
        chemistry: what is wanted.
        method: one of `PROPOSALS`: "learned", see above; "ion-exchange", the same with exchanges at random of elements
            that share an oxidation state, and no choice; "uniform", the numbers of atoms of a known crystal with
            elements at random.
        is_known: whether a composition is no news; such are not proposed.
        balance: keeps the chemistry various; none without it.

    Raises:
        InputError: no such method, or no known crystal leads to what is wanted.
    """

    def __init__(
        self,
        cells: Sequence[Cell],
        chemistry: Chemistry,
        method: str = LEARNED,
        is_known: Callable[[Cell], bool] = lambda cell: False,
        balance: Balance | None = None,
    ) -> None:
        check_proposal(method)
        self._chemistry, self._is_known, self._balance = chemistry, is_known, balance
        self._elements = frozenset(z for cell in cells for z in cell.numbers)
        self._exchanges = exchange_matrix(method, cells)
        self._likelihood = Likelihood(cells, self._exchanges) if method == LEARNED else None
        groups, most = chemistry.groups, chemistry.max_atoms
        parents = [c for c in cells if sum(c.counts) <= most and (groups is None or c.group in groups)]
        self._routes = self._routes_from(parents)
        if not self._routes:
            raise InputError("no known crystal leads to such compositions: allow more elements, atoms or space groups")

    def propose(self, n: int, rng: np.random.Generator, guidance: Guidance | None = None) -> list[Route]:
        """Different compositions, none of which was tried before.

        Args:
            n: how many; there may be fewer, or none.
            rng: all randomness comes from here.
            guidance: what earlier proposals taught.
        """
        guidance = guidance or Guidance()
        if self._likelihood is None:
            return self._drawn(n, rng, guidance)
        drawn = self._on_target(n * _DRAWN, rng, guidance)
        cells = [route.cell for route in drawn]
        scores = SHARPNESS * np.array([self._likelihood.logarithm(cell) for cell in cells])
        scores += rng.gumbel(size=len(drawn))  # the largest are a draw without replacement, by weights exp(scores)
        if self._balance is None:
            return [drawn[k] for k in np.argsort(-scores, kind="stable")[:n]]
        return [drawn[k] for k in self._balance.choose(scores, cells, n, guidance.found)]

    def _on_target(self, n: int, rng: np.random.Generator, guidance: Guidance) -> list[Route]:
        """Compositions drawn; with targets, those chosen from more by the probability to meet them.

        The two choices are apart, since the likeliest compositions of all have few elements, and new ones of these are
        rarely stable.
        """
        if guidance.targets is None:
            return self._drawn(n, rng, guidance)
        drawn = self._drawn(n * _MORE_WITH_TARGETS, rng, guidance)
        logarithms = np.log(guidance.targets.probabilities([route.cell for route in drawn]))
        order = np.argsort(-(logarithms + rng.gumbel(size=len(drawn))), kind="stable")
        return [drawn[k] for k in order[:n]]

    def _drawn(self, n: int, rng: np.random.Generator, guidance: Guidance) -> list[Route]:
        drawn: dict[ReducedFormula, Route] = {}
        draw = self._routes.sampler(rng, self._factors(guidance))
        near = self._routes_from(guidance.found)
        draw_near = near.sampler(rng) if near else draw
        for _ in range(_TRIES * n):
            route = draw_near() if rng.random() < _NEAR_FOUND else draw()
            formula = route.cell.formula
            if formula not in guidance.tried and formula not in drawn and self._is_wanted(route.cell):
                drawn[formula] = route
                if len(drawn) == n:
                    break
        return list(drawn.values())

    def _factors(self, guidance: Guidance) -> Floats:
        """(n_parents,): how much more than others each known crystal is worth beginning with."""
        cells = self._routes.cells
        factors = np.array([guidance.success.get(cell.anonymous, 1.0) for cell in cells])
        return factors if guidance.targets is None else factors * guidance.targets.probabilities(cells)

    def _is_wanted(self, cell: Cell) -> bool:
        distinct = len(set(cell.numbers)) == len(cell.numbers)
        return distinct and may_be_neutral(cell.composition) and not self._is_known(cell)

    def _routes_from(self, cells: Sequence[Cell]) -> Routes:
        return Routes(cells, self._exchanges, lambda size: self._chemistry.slots(size, self._elements))


def exchange_matrix(method: str, cells: Sequence[Cell]) -> Matrix:
    """Probability of each element in the place of each, kept ones on the diagonal.

    Args:
        method: one of `PROPOSALS`.
        cells: of known crystals.
    """
    elements = {z for cell in cells for z in cell.numbers}
    if method == UNIFORM:
        return _kept(uniform_exchanges(elements), 1.0)
    if method == ION_EXCHANGE:
        return _kept(ionic_exchanges(elements), RATE)
    return _kept(learned_exchanges((cell.group, cell.composition) for cell in cells), RATE)


def _kept(exchanges: Matrix, rate: float) -> Matrix:
    return rate * exchanges + (1 - rate) * np.eye(len(exchanges))
