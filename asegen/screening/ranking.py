"""The order of candidates: by energy above the hull, and by what their generator expects where energies can't tell.

Between crystals of one composition whose energies differ by less than the potential's error, energy decides nothing;
what was learned of known crystals does (the votes for a structure type, `log_prior` of `asegen generate`). Whoever is
expected most takes the place of the lowest in energy among them, so that crystals of other compositions stay where they
are between them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from asegen.screening.stages.verdicts import UNKNOWN

_Key = tuple[bool | float, ...]


def in_order(found: Sequence[Mapping[str, Any]]) -> list[int]:
    """Places of candidates, the best first; those before others stay before them between equals.

    Args:
        found: values by column, in the order of the inputs. Those without an energy above the hull, `e_hull`, come
            after those with one. `e_known` decides between those on the hull or below it: who beats the known phases by
            more comes first, unless these are mostly lacking. `energy` decides where there is no hull.
    """
    keys = [_energies(one) for one in found]
    lists: defaultdict[Any, list[int]] = defaultdict(list)
    for k in sorted(range(len(found)), key=lambda k: keys[k]):
        lists[found[k].get("formula")].append(k)
    places: dict[int, _Key] = {}
    for members in lists.values():
        for tied in _ties(found, members):
            expected = sorted(tied, key=lambda k: -found[k]["log_prior"])
            places |= {k: keys[place] for k, place in zip(expected, tied, strict=True)}
    return sorted(range(len(found)), key=lambda k: places.get(k, keys[k]))


def _energies(found: Mapping[str, Any]) -> _Key:
    e_hull, e_known, energy = (found.get(name) for name in ("e_hull", "e_known", "energy"))
    if found.get("hull_verdict") == UNKNOWN:  # it beats nothing
        e_known = e_hull
    known = (round(value or 0.0, 6) for value in (max(e_hull or 0.0, 0.0), e_known))
    return (e_hull is None, *known, energy is None, energy or 0.0)


def _ties(found: Sequence[Mapping[str, Any]], members: Sequence[int]) -> list[list[int]]:
    """Those of a composition, by energy, that have a prior and lie within the error of the lowest of their group."""
    groups: list[list[int]] = []
    lowest = float("-inf")
    for k in members:
        one = found[k]
        if any(one.get(name) is None for name in ("e_hull", "e_hull_error", "log_prior")):
            continue
        if not groups or one["e_hull"] - lowest > one["e_hull_error"]:
            lowest = one["e_hull"]
            groups.append([])
        groups[-1].append(k)
    return groups
