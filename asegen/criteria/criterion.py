"""One range that a property is asked to lie in, read from text such as "band_gap=1..2", and checked."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from asegen.criteria.quantities import METAL, SPACE_GROUP, Quantity, quantities
from asegen.errors import InputError
from asegen.symmetry.symbols import parse_group

Range = tuple[float | None, float | None]
Wanted = Iterable[str] | Mapping[str, float | bool | str | Range]
"""Texts such as "band_gap=1..2", or names with ranges (low, high), in which None leaves an end open, or one value."""

_PARAMETER = "target"
_EXAMPLE = "NAME=LOW..HIGH, such as band_gap=1..2"
_LIKELY = 0.5
"""From this probability on, a crystal counts as a metal."""
_YES, _NO = ("yes", "true", "1", "1.0"), ("no", "false", "0", "0.0")


@dataclass(frozen=True)
class Criterion:
    """A range of a property, both ends included.

    Attributes:
        quantity: the property.
        low: lowest value, in its unit.
        high: highest value.
    """

    quantity: Quantity
    low: float
    high: float

    def __str__(self) -> str:
        ends = ["" if math.isinf(end) else f"{end:g}" for end in (self.low, self.high)]
        return f"{self.quantity.name}={ends[0] if self.low == self.high else '..'.join(ends)}"

    def is_met(self, value: float) -> bool:
        """Whether a value lies in the range; NaN doesn't."""
        return self.low <= value <= self.high

    def distance(self, value: float) -> float:
        """How far a value lies outside of the range, in units of the nearer end, of 1 where that is 0.

        Args:
            value: known or predicted; NaN is infinitely far.
        """
        if math.isnan(value):
            return math.inf
        end = min(max(value, self.low), self.high)
        return abs(value - end) / (abs(end) or 1.0)

    def probability(self, value: float, deviation: float = math.nan) -> float:
        """How likely the property lies in the range.

        Args:
            value: known or predicted.
            deviation: the prediction's standard deviation, its errors normally distributed; NaN where there is none.

        Returns:
            From 0 to 1; 0 or 1 without a deviation, and 0 where there is no value.
        """
        if not math.isfinite(value):
            return 0.0
        if self.quantity.name == METAL:  # what is predicted is a probability already
            return value if self.low >= _LIKELY else 1 - value if self.high <= _LIKELY else 1.0
        if not deviation > 0:
            return float(self.is_met(value))
        ends = ((end - value) / deviation for end in (self.low, self.high))
        low, high = map(normal_probability, ends)
        return high - low


def normal_probability(x: float) -> float:
    """The standard normal distribution up to x."""
    return (1 + math.erf(x / math.sqrt(2))) / 2


def read_criteria(wanted: Wanted) -> tuple[Criterion, ...]:
    """Criteria from what a user writes.

    Args:
        wanted: texts such as "band_gap=1..2", "bulk_modulus=150..", "price=..50", "n_atoms=8", "metal=no",
            "spacegroup=Fm-3m"; or {"band_gap": (1, 2), "bulk_modulus": (150, None), "metal": False}.

    Raises:
        InputError: no such property, no range, one that nothing can meet, or two that contradict each other.
    """
    if isinstance(wanted, str):
        wanted = [wanted]
    if not isinstance(wanted, Iterable):
        raise InputError(f"target = {wanted!r:.60}: write {_EXAMPLE}", _PARAMETER)
    pairs = wanted.items() if isinstance(wanted, Mapping) else map(_split, wanted)
    found: dict[str, Criterion] = {}
    for name, value in pairs:
        if name in found:
            raise InputError(f"target = {name} is asked for twice: write one range", _PARAMETER)
        found[name] = _criterion(_quantity(name), value)
    _check_together(found)
    return tuple(found.values())


def _split(text: str) -> tuple[str, str]:
    name, equals, value = (part.strip() for part in str(text).partition("="))
    if not equals or not value:
        raise InputError(f"target = {str(text)[:60]!r}: write {_EXAMPLE}", _PARAMETER)
    return name, value


def _quantity(name: str) -> Quantity:
    if name not in quantities():
        known = ", ".join(sorted(quantities()))
        raise InputError(f"target = {name!s:.40}: no such property; there are {known}", _PARAMETER)
    return quantities()[name]


def _criterion(quantity: Quantity, value: object) -> Criterion:
    low, high = _range(quantity, value)
    made = Criterion(quantity, low, high)
    if low > high:
        raise InputError(
            f"target = {quantity.name}={low:g}..{high:g}: the lower end is above the upper one", _PARAMETER
        )
    if high < quantity.least or low > quantity.most:
        limits = f"{quantity.least:g} to {quantity.most:g}".replace(" to inf", " or more")
        raise InputError(
            f"target = {made} can't be met: {quantity.name} is {limits} {quantity.unit}".rstrip(), _PARAMETER
        )
    if quantity.is_whole and math.isfinite(low + high) and math.floor(high) < math.ceil(low):
        raise InputError(f"target = {made} can't be met: {quantity.name} is a whole number", _PARAMETER)
    return made


def _range(quantity: Quantity, value: object) -> tuple[float, float]:
    # A probability that is predicted is never exactly 1 or 0, so that these numbers can only mean yes and no.
    if quantity.name == METAL and (word := str(value).strip().lower()) in (*_YES, *_NO):
        return (_LIKELY, 1.0) if word in _YES else (0.0, _LIKELY)
    if isinstance(value, tuple | list | np.ndarray):
        ends: list[object] = list(value)
    elif isinstance(value, str) and ".." in value:
        ends = list(value.split(".."))
    else:
        ends = [value, value]
    if len(ends) != 2 or all(end is None or end == "" for end in ends):
        raise InputError(f"target = {quantity.name}={value}: write LOW..HIGH, LOW.. or ..HIGH", _PARAMETER)
    low, high = (_number(quantity, end) for end in ends)
    return -math.inf if low is None else low, math.inf if high is None else high


def _number(quantity: Quantity, end: object) -> float | None:
    """One end of a range; None where it is open."""
    text = "" if end is None else str(end).strip()
    if not text:
        return None
    if quantity.name == SPACE_GROUP:
        return float(parse_group(text))
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise InputError(f"target = {quantity.name}: {text[:20]!r} is no number", _PARAMETER)
    return number


def _check_together(found: Mapping[str, Criterion]) -> None:
    """Refuses what no crystal can be at once."""
    metal, gap = found.get(METAL), found.get("band_gap")
    if metal and gap and metal.low >= _LIKELY and gap.low > 0:
        raise InputError(f"target = {gap} and metal=yes contradict each other: a metal has no gap", _PARAMETER)
