"""Whether crystals have the properties asked for, and how surely."""

from __future__ import annotations

import math
import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from ase import Atoms
from ase.data import chemical_symbols

from asegen.calculators.property import predict
from asegen.criteria.criterion import Criterion
from asegen.hull.table import formula_of
from asegen.structures.scarcity import hhi
from asegen.structures.space_groups import space_group_number
from asegen.structures.validity import check_atoms, density
from asegen.trained.predictor import shared_predictor

PROBABILITY = "target_probability"
"""In `info`: how likely all criteria are met, the predictions' errors taken as independent."""
_SYMPREC = 0.1  # Å, as where structures are listed
_DIGITS = 4


class Judgement(NamedTuple):
    """What criteria say of one crystal.

    Attributes:
        values: by the names of `Atoms.info`: `<name>` of what follows from the atoms, `<name>_predicted` and
            `<name>_std` of what is predicted, in the units of `asegen.criteria.quantities`.
        is_met: whether all values lie in their ranges.
        probability: that all do, from 0 to 1.
        reason: which criterion isn't met, in one line; empty if all are.
    """

    values: dict[str, float]
    is_met: bool
    probability: float
    reason: str


class Criteria:
    """Judges crystals by ranges of properties.

    Args:
        criteria: from `asegen.criteria.criterion.read_criteria`.
        device: where networks compute.

    Raises:
        InputError: no such device.
    """

    def __init__(self, criteria: Sequence[Criterion], device: str = "auto") -> None:
        self.criteria = tuple(criteria)
        self._predictors = {c: shared_predictor(c.quantity.model, device) for c in criteria if c.quantity.model}

    @property
    def identity(self) -> list[str]:
        """What decides the judgement: ranges and networks."""
        return [f"{criterion} {criterion.quantity.model}".rstrip() for criterion in self.criteria]

    def judge(self, structures: Sequence[Atoms]) -> list[Judgement]:
        """A judgement for each structure, in order; what has no value of a property doesn't meet its criterion."""
        known = [self._found(criterion, structures) for criterion in self.criteria]
        return [self._judgement([of[k] for of in known]) for k in range(len(structures))]

    def _found(self, criterion: Criterion, structures: Sequence[Atoms]) -> list[tuple[float, float]]:
        """Value and standard deviation of a property, NaN where there is none."""
        if criterion not in self._predictors:
            measure = _MEASURES[criterion.quantity.name]
            sound = [check_atoms(atoms) is None for atoms in structures]
            return [(measure(a) if ok else math.nan, math.nan) for a, ok in zip(structures, sound, strict=True)]
        predictor = self._predictors[criterion]
        (column, *_) = predictor.columns
        return [_value(found.values, column) for found in predict(structures, predictor)]

    def _judgement(self, found: Sequence[tuple[float, float]]) -> Judgement:
        values, reason, probability = {}, "", 1.0
        for criterion, (value, deviation) in zip(self.criteria, found, strict=True):
            quantity = criterion.quantity
            if math.isfinite(value):
                values[f"{quantity.name}_predicted" if quantity.model else quantity.name] = round(value, _DIGITS)
            if math.isfinite(deviation):
                values[f"{quantity.name}_std"] = round(deviation, _DIGITS)
            if not criterion.is_met(value):
                reason = reason or (
                    f"{quantity.name}: {value:.3g}" if math.isfinite(value) else f"{quantity.name}: none"
                )
            probability *= criterion.probability(value, deviation)
        return Judgement(values, not reason, round(probability, _DIGITS), reason)


def _value(values: Mapping[str, float], column: str) -> tuple[float, float]:
    return values.get(column, math.nan), values.get(f"{column}_std", math.nan)


def _space_group(atoms: Atoms) -> float:
    return float(space_group_number(atoms, _SYMPREC) or math.nan)


def _price(atoms: Atoms) -> float:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return float(_prices().get_cost_per_kg(_formula(atoms)))
    except ValueError:  # an element without a price
        return math.nan


def _hhi(atoms: Atoms) -> float:
    _, reserves = hhi(_formula(atoms))
    return math.nan if reserves is None else reserves


def _formula(atoms: Atoms) -> str:
    return formula_of(Counter(atoms.numbers.tolist()))


@cache
def _prices() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pymatgen.analysis.cost import CostAnalyzer, CostDBElements  # two seconds to load

        return CostAnalyzer(CostDBElements())


_MEASURES: Mapping[str, Callable[[Atoms], float]] = {
    "density": density,
    "volume_per_atom": lambda atoms: float(atoms.get_volume()) / len(atoms),
    "n_atoms": lambda atoms: float(len(atoms)),
    "n_elements": lambda atoms: float(len({chemical_symbols[z] for z in atoms.numbers})),
    "spacegroup": _space_group,
    "price": _price,
    "hhi": _hhi,
}
