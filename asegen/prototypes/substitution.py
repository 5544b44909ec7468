"""Prototype substitution: a composition takes the structures of known crystals, the likeliest types first.

A template has as many atoms of each of its elements as the composition has of its own. Every known crystal votes for
its structure type, with a weight that falls with the chemical distance of the exchange, as in
`asegen.prototypes.votes`: a type that many crystals of similar elements have is likelier than one that a single
nearer crystal has. The cell is scaled to the volume that `VolumeRule` expects.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from asegen.prototypes.library import Integers, TemplateLibrary, arranged
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


def substitutions(library: TemplateLibrary, numbers: Sequence[int]) -> list[Substitution]:
    """A composition made out of every template, the likeliest first; equally likely ones in the library's order.

    Args:
        library: known crystals.
        numbers: (n_atoms,), atomic numbers of the cell.

    Returns:
        Nothing where no template has these counts.
    """
    counts, wanted = arranged(np.array(numbers))
    kind = library.kind(counts)
    if kind is None:
        return []
    new = np.array(wanted)[kind.orders]
    away = distances()[kind.elements[:, None], new[None]].sum(-1)
    log_prior, first = _log_priors(away.ravel(), kind.types.ravel())
    rows, columns = np.divmod(np.argsort(-log_prior, kind="stable"), len(kind.orders))
    return [
        Substitution(
            kind.index[r],
            float(away[r, c]),
            float(log_prior[r * len(kind.orders) + c]),
            bool(first[r * len(kind.orders) + c]),
            tuple(zip(kind.elements[r].tolist(), new[c].tolist(), strict=True)),
            kind.structures[r],
        )
        for r, c in zip(rows, columns, strict=True)
    ]


def _log_priors(away: NDArray[np.float64], types: Integers) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """`Substitution.log_prior` and `Substitution.first`, (n,) each.

    Args:
        away: (n,), distances.
        types: (n,), numbers of structure types.
    """
    votes = np.exp(-(away - away.min()) / SOFTNESS)  # far from everything is not far from all alike
    of_type = np.bincount(types, votes)
    order = np.lexsort((np.arange(len(away)), away, types))
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
