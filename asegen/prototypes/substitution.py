"""Prototype substitution: a composition takes the structures of known crystals, the likeliest types first.

A template has as many atoms of each of its elements as the composition has of its own. Every known crystal votes for
its structure type, with a weight that falls with the chemical distance of the exchange, as in
`asegen.prototypes.votes`: a type that many crystals of similar elements have is likelier than one that a single
nearer crystal has. The cell is scaled to the volume that `VolumeRule` expects.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from asegen.prototypes.library import Integers, Kind, TemplateLibrary, arranged
from asegen.prototypes.votes import SOFTNESS, distances


class Substitution(NamedTuple):
    """A composition made out of a template.

    Attributes:
        template: place in the library.
        distance: sum over the elements of `chemical_distance`.
        log_prior: logarithm of the share of the votes: those for the type where no nearer crystal has it, otherwise
            this crystal's alone.
        first: whether no likelier one is of its structure type.
        elements: the template's atomic numbers, and what each becomes.
        structure: the template.
    """

    template: int
    distance: float
    log_prior: float
    first: bool
    elements: tuple[tuple[int, int], ...]
    structure: Atoms


def substitutions(
    library: TemplateLibrary, *cells: Sequence[int], element_map: Mapping[int, int] | None = None
) -> list[Substitution]:
    """A composition made out of every template, the likeliest first; equally likely ones in the library's order.

    Args:
        library: known crystals.
        cells: (n_atoms,) each, atomic numbers of the cells that are possible, of one formula: their templates compete.
        element_map: atomic numbers of a template -> what has to take their places; templates without them are none.

    Returns:
        Nothing where no template has these counts.
    """
    candidates = [part for numbers in cells if (part := _candidates(library, numbers)) is not None]
    allowed = [part.allowed(element_map or {}).ravel() for part in candidates]
    if not any(own.any() for own in allowed):
        return []
    away = np.concatenate([part.away.ravel() for part in candidates])
    weights = np.concatenate([np.repeat(part.kind.weights, len(part.kind.orders)) for part in candidates])
    weights = np.where(np.concatenate(allowed), weights, 0.0)
    edges = np.cumsum([0] + [part.away.size for part in candidates])
    type_offsets = np.cumsum([0] + [int(part.kind.types.max()) + 1 for part in candidates])
    types = [part.kind.types.ravel() + offset for part, offset in zip(candidates, type_offsets, strict=False)]
    log_prior, first = _log_priors(away, weights, np.concatenate(types))
    found = []
    for place in (k for k in np.argsort(-log_prior, kind="stable").tolist() if weights[k] > 0):
        part_index = int(np.searchsorted(edges, place, side="right")) - 1
        crystal, order = divmod(place - int(edges[part_index]), candidates[part_index].away.shape[1])
        found.append(candidates[part_index].substitution(crystal, order, float(log_prior[place]), bool(first[place])))
    return found


class _Candidates(NamedTuple):
    """The templates of one cell.

    Attributes:
        kind: the templates.
        new: (n_orders, n_elements), atomic numbers that take the places of theirs.
        away: (n_crystals, n_orders), distances.
    """

    kind: Kind
    new: Integers
    away: NDArray[np.float64]

    def allowed(self, element_map: Mapping[int, int]) -> NDArray[np.bool_]:
        """(n_crystals, n_orders): whether the elements of a map take the places that it says."""
        found = np.ones(self.away.shape, dtype=bool)
        for old, new in element_map.items():
            found &= ((self.kind.elements == old)[:, None] & (self.new == new)[None]).any(-1)
        return found

    def substitution(self, crystal: int, order: int, log_prior: float, first: bool) -> Substitution:
        """One of them."""
        kind = self.kind
        elements = tuple(zip(kind.elements[crystal].tolist(), self.new[order].tolist(), strict=True))
        distance = float(self.away[crystal, order])
        return Substitution(kind.index[crystal], distance, log_prior, first, elements, kind.structures[crystal])


def _candidates(library: TemplateLibrary, numbers: Sequence[int]) -> _Candidates | None:
    counts, wanted = arranged(np.array(numbers))
    kind = library.kind(counts)
    if kind is None:
        return None
    new = np.array(wanted)[kind.orders]
    return _Candidates(kind, new, distances()[kind.elements[:, None], new[None]].sum(-1))


def _log_priors(
    away: NDArray[np.float64], weights: NDArray[np.float64], types: Integers
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """`Substitution.log_prior` and `Substitution.first`, (n,) each.

    Args:
        away: (n,), distances.
        weights: (n,), of the votes.
        types: (n,), numbers of structure types.
    """
    votes = weights * np.exp(
        -(away - away[weights > 0].min()) / SOFTNESS
    )  # far from everything is not far from all alike
    of_type = np.bincount(types, votes)
    order = np.lexsort((np.arange(len(away)), -votes, types))
    first = np.zeros(len(away), dtype=bool)
    first[order] = np.diff(types[order], prepend=-1) != 0
    shares = np.where(first, of_type[types], votes)
    return np.log(np.maximum(shares, np.finfo(float).tiny) / votes.sum()), first


def substituted(library: TemplateLibrary, substitution: Substitution) -> Atoms:
    """The crystal that a substitution makes, periodic, without a calculator.

    Args:
        library: known crystals.
        substitution: of this library.
    """
    old: Integers = substitution.structure.numbers
    becomes = dict(substitution.elements)
    made = substitution.structure.copy()
    made.numbers = [becomes[z] for z in old.tolist()]
    made.set_cell(made.cell * library.volumes.ratio(made.numbers, old) ** (1 / 3), scale_atoms=True)
    return made
