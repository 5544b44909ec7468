"""What several stages share: columns that more than one of them fills, and groups of candidates."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from ase import Atoms

from asegen.errors import Reason
from asegen.potentials.engine import Engine, find_engine
from asegen.screening.columns import Column, Shown
from asegen.screening.options import Options
from asegen.screening.records import DUPLICATE, OK, Candidate, Outcome, candidate_id
from asegen.structures.matching import Tolerances, same_as

TIGHT_SYMPREC = 0.01
"""Å, tolerance of the space groups of crystals as they came, and as a network or a relaxation left them."""
_EXACT = 1e-5  # Å

FORMULA = Column(
    "formula",
    "reduced, such as NaCl; nothing where the input could not be read",
    section="input",
    table=Shown(10, "formula"),
    page=Shown(10, "Formula"),
    style="formula",
)
N_ATOMS = Column(
    "n_atoms", "of the cell as it is now", "integer", section="input", page=Shown(30, "Atoms"), tile=Shown(60, "Atoms")
)
SPACE_GROUP = Column(
    "space_group",
    'international symbol and number, such as "Fm-3m (225)", of the crystal as it is now',
    section="symmetry",
    table=Shown(20, "space group"),
    page=Shown(20, "Space group"),
    style="space group",
)
ENERGY_SCALE = Column(
    "energy_scale", "the label of the energies: only those of the same label are comparable", section="energy"
)
DUPLICATES = Column("duplicates", "ids of the inputs that are copies of this one", section="copies")
DUPLICATE_OF = Column("duplicate_of", "id of the input that this one is a copy of", section="copies")


def engine_of(options: Options, calculator: str | None = None) -> Engine:
    """The calculator of a screening, at its pressure.

    Args:
        options: of the screening.
        calculator: another one's name; that of the options without it.

    Raises:
        InputError: no such calculator.
        AsegenError: its package is missing or not configured.
    """
    return find_engine(calculator or options.calculator).at_pressure(options.pressure)


def chunks(keys: Sequence[int], size: int) -> list[list[int]]:
    """Neighbours in groups of a size."""
    return [list(keys[start : start + size]) for start in range(0, len(keys), size)]


def by_formula(candidates: Sequence[Candidate]) -> list[list[int]]:
    """Keys of candidates, in their order, by reduced formula."""
    bins: defaultdict[str, list[int]] = defaultdict(list)
    for candidate in candidates:
        bins[candidate.found["formula"]].append(candidate.key)
    return list(bins.values())


def duplicates(candidates: Sequence[Candidate], tolerances: Tolerances, by_energy: bool = False) -> list[Outcome]:
    """Each candidate stays, or is a copy of one before it.

    Args:
        candidates: of one reduced formula, with atoms, the ones to keep first.
        tolerances: how different the same may be.
        by_energy: whether those that converged to different energies are different, see `asegen.structures.matching`.
    """
    firsts: dict[bytes, int] = {}  # exact copies need no comparison
    first_of = [firsts.setdefault(_exactly(candidate.crystal), k) for k, candidate in enumerate(candidates)]
    different = [k for k, first in enumerate(first_of) if first == k]
    crystals = [candidates[k].crystal for k in different]
    energies = [candidates[k].found.get("energy") if candidates[k].status == OK else None for k in different]
    found = dict(zip(different, same_as(crystals, [], tolerances, energies if by_energy else None), strict=True))
    outcomes = []
    for k, first in enumerate(first_of):
        earlier, timed_out = found[first]
        original = different[earlier] if earlier is not None else first
        notes = (f"{timed_out} comparisons took too long",) if timed_out and first == k else ()
        outcomes.append(Outcome(notes=notes) if original == k else _copy(candidates[original], notes))
    return outcomes


def _copy(original: Candidate, notes: tuple[str, ...]) -> Outcome:
    id = candidate_id(original.key)
    return Outcome(DUPLICATE, Reason(DUPLICATE, f"the same crystal as {id}"), {DUPLICATE_OF.name: id}, notes=notes)


def _exactly(atoms: Atoms) -> bytes:
    """Elements, cell and positions to 10⁻⁵ Å, in the order of the atoms."""
    numbers = np.concatenate([atoms.cell.array, atoms.positions])
    return np.asarray(atoms.numbers).tobytes() + np.rint(numbers / _EXACT).astype(np.int64).tobytes()
