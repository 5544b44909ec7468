"""Whether crystals have the properties asked for, and how surely."""

from __future__ import annotations

import math
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from ase import Atoms

from asegen.calculators.property import predict
from asegen.criteria.criterion import Criterion
from asegen.errors import InputError
from asegen.hull.table import formula_of
from asegen.structures.scarcity import hhi
from asegen.structures.space_groups import space_group_number
from asegen.structures.validity import check_atoms, density
from asegen.trained.predictor import PropertyPredictor, shared_predictor

PROBABILITY = "target_probability"
"""In `info`: how likely all criteria are met, the predictions' errors taken as independent."""
DISTANCE = "target_distance"
"""In `info` and in tables: see `Judgement.distance`."""
TARGETS = "targets"
"""In `info`: the criteria that a structure was chosen by."""
_SYMPREC = 0.1  # Å, as where structures are listed
_DIGITS = 4


class Judgement(NamedTuple):
    """What criteria say of one crystal.

    Attributes:
        values: by the names of `Atoms.info`: `<name>` of what follows from the atoms, `<name>_predicted` and
            `<name>_std` of what is predicted, in the units of `asegen.criteria.quantities`.
        is_met: whether all values lie in their ranges.
        probability: that all do, from 0 to 1.
        reason: which criteria aren't met by what, in one line; empty if all are.
        distance: how far the values lie outside of their ranges, summed over the criteria, in units of the nearer ends
            of the ranges (of 1 where that end is 0); 0 if all are met, infinite where a value is missing.
        each: the probability of each criterion by itself, in order.
    """

    values: dict[str, float]
    is_met: bool
    probability: float
    reason: str
    distance: float = 0.0
    each: tuple[float, ...] = ()

    def as_info(self) -> dict[str, float]:
        """The values, target_probability and target_distance, for `Atoms.info`."""
        return self.values | {PROBABILITY: self.probability, DISTANCE: self.distance}


class Criteria:
    """Judges crystals by ranges of properties.

    Args:
        criteria: from `asegen.criteria.criterion.read_criteria`.
        device: where networks compute.

    Raises:
        InputError: no criteria, or no such device.
    """

    def __init__(self, criteria: Iterable[Criterion], device: str = "auto") -> None:
        self.criteria = tuple(criteria)
        if others := [one for one in self.criteria if not isinstance(one, Criterion)]:
            raise InputError(f"criteria: {others[0]!r:.60} is none: read_criteria makes them of text and ranges")
        self._predictors = {c: shared_predictor(c.quantity.model, device) for c in self.criteria if c.quantity.model}

    @property
    def identity(self) -> list[str]:
        """What decides the judgement: ranges and networks."""
        return [f"{criterion} {criterion.quantity.model}".rstrip() for criterion in self.criteria]

    def judge(self, structures: Sequence[Atoms]) -> list[Judgement]:
        """A judgement for each structure, in order; what has no value of a property doesn't meet its criterion."""
        known = [self._found(criterion, structures) for criterion in self.criteria]
        return [self._judgement([of[k] for of in known]) for k in range(len(structures))]

    def allow(self, counts: Mapping[int, int]) -> bool:
        """Whether a cell may meet the criteria, as far as its composition alone tells.

        Args:
            counts: atoms of each element in the cell, by atomic number.
        """
        names = [(criterion, criterion.quantity.name) for criterion in self.criteria]
        return all(c.is_met(_OF_COMPOSITION[name](counts)) for c, name in names if name in _OF_COMPOSITION)

    def _found(self, criterion: Criterion, structures: Sequence[Atoms]) -> list[_Known]:
        if criterion not in self._predictors:
            sound = [check_atoms(atoms) is None for atoms in structures]
            name = criterion.quantity.name
            return [_Known(_measured(name, a) if ok else math.nan) for a, ok in zip(structures, sound, strict=True)]
        predictor = self._predictors[criterion]
        return [_known(found.values, predictor) for found in predict(structures, predictor)]

    def _judgement(self, known: Sequence[_Known]) -> Judgement:
        values, missed, each, distance = {}, list[str](), list[float](), 0.0
        for criterion, (value, deviation, zero) in zip(self.criteria, known, strict=True):
            quantity = criterion.quantity
            if math.isfinite(value):
                values[f"{quantity.name}_predicted" if quantity.model else quantity.name] = round(value, _DIGITS)
            if math.isfinite(deviation):
                values[f"{quantity.name}_std"] = round(deviation, _DIGITS)
            if not criterion.is_met(value):
                missed.append(f"{quantity.name}: {_with_unit(value, quantity.unit)}")
                distance += criterion.distance(value)
            above_zero = criterion.probability(value, deviation) * (1 - zero)
            each.append(above_zero + zero if criterion.is_met(0.0) else above_zero)
        probability, distance = round(math.prod(each), _DIGITS), round(distance, _DIGITS)
        return Judgement(values, not missed, probability, ", ".join(missed), distance, tuple(each))


class _Known(NamedTuple):
    """What is known of a property of a crystal.

    Attributes:
        value: NaN where there is none.
        deviation: the prediction's standard deviation, NaN where there is none.
        zero: the predicted probability that the property is zero, which the deviation doesn't cover.
    """

    value: float
    deviation: float = math.nan
    zero: float = 0.0


def _known(values: Mapping[str, float], predictor: PropertyPredictor) -> _Known:
    (column, *_) = predictor.columns
    zero = 0.0 if predictor.zero_probability is None else values.get(predictor.zero_probability, 0.0)
    return _Known(values.get(column, math.nan), values.get(f"{column}_std", math.nan), zero)


def _with_unit(value: float, unit: str) -> str:
    return f"{value:.3g} {unit}".rstrip() if math.isfinite(value) else "none"


def _measured(name: str, atoms: Atoms) -> float:
    """What follows from the atoms."""
    if name in _OF_COMPOSITION:
        return _OF_COMPOSITION[name](Counter(atoms.numbers.tolist()))
    return _MEASURES[name](atoms)


def _space_group(atoms: Atoms) -> float:
    return float(space_group_number(atoms, _SYMPREC) or math.nan)


def _price(counts: Mapping[int, int]) -> float:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return float(_prices().get_cost_per_kg(formula_of(counts)))
    except ValueError:  # an element without a price
        return math.nan


def _hhi(counts: Mapping[int, int]) -> float:
    _, reserves = hhi(formula_of(counts))
    return math.nan if reserves is None else reserves


@cache
def _prices() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pymatgen.analysis.cost import CostAnalyzer, CostDBElements  # two seconds to load

        return CostAnalyzer(CostDBElements())


_OF_COMPOSITION: Mapping[str, Callable[[Mapping[int, int]], float]] = {
    "n_atoms": lambda counts: float(sum(counts.values())),
    "n_elements": lambda counts: float(len(counts)),
    "price": _price,
    "hhi": _hhi,
}
"""Quantities of the atoms of each element in a cell, by atomic number."""
_MEASURES: Mapping[str, Callable[[Atoms], float]] = {
    "density": density,
    "volume_per_atom": lambda atoms: float(atoms.get_volume()) / len(atoms),
    "spacegroup": _space_group,
}
"""Quantities of a crystal that passes the validity gate."""
