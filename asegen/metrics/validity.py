"""Whether generated structures could be crystals at all, and whether their compositions could be compounds."""

from __future__ import annotations

from collections import Counter
from importlib.metadata import version

import numpy as np
from ase import Atoms

from asegen.metrics.cache import Row
from asegen.metrics.inputs import Figures, Inputs, reduced_formula
from asegen.metrics.remembered import remembered_map
from asegen.parallel.timed_map import Failed
from asegen.structures.validity import SHORTEST_PAIR, shortest_distance

MIN_VOLUME = 0.1
"""Å³ of the whole cell. CDVAE's code refuses less."""
OXIDATION_STATES = "smact14"
"""smact's first table of oxidation states, the one behind the published figures."""
TIME_LIMIT = 20.0
"""Seconds of processor time for one composition; one that takes longer counts as invalid."""


def published_rule(atoms: Atoms) -> str | None:
    """The structural validity of CDVAE (Xie et al., ICLR 2022): why a structure breaks it, or None.

    No two atoms nearer than 0.5 Å and a volume of at least 0.1 Å³. CDVAE's code looks at pairs of distinct atoms alone;
    here an atom's own periodic images count too, as the paper's words have it.

    Args:
        atoms: any Atoms object; NaN never reaches native code.
    """
    if len(atoms) == 0:
        return "no atoms: the structure is empty"
    if not (np.isfinite(atoms.cell.array).all() and np.isfinite(atoms.positions).all()):
        return "non-finite: the cell or a position is NaN or infinite"
    with np.errstate(over="ignore"):  # an exploded cell
        volume = abs(float(np.linalg.det(atoms.cell.array)))
    if not MIN_VOLUME <= volume < np.inf:
        return f"bad volume: {volume:.3g} Å³, not {MIN_VOLUME:g} or more"
    try:
        distance = shortest_distance(atoms)
    except (ValueError, np.linalg.LinAlgError) as error:
        return f"bad cell: {error}"
    return None if distance >= SHORTEST_PAIR else f"overlapping atoms: {distance:.3f} Å apart"


def structural_validity(inputs: Inputs) -> Figures:
    """Shares of the generated structures that pass the published rule, and the stricter gate."""
    n = len(inputs.generated)
    read = [sample.atoms for sample in inputs.generated if sample.atoms is not None]
    published = sum(published_rule(atoms) is None for atoms in read)
    reasons = Counter(sample.reason.partition(":")[0] for sample in inputs.generated if sample.reason)
    gate = n - sum(reasons.values())
    counts = {"structures": n, **{_gate_name(kind): count for kind, count in sorted(reasons.items())}}
    return Figures({"published": published / n, "gate": gate / n}, counts)


def _gate_name(kind: str) -> str:
    """A kind of refusal as the name of a count."""
    return f"gate_{kind.replace(' ', '_').replace('-', '_')}"


def compositional_validity(inputs: Inputs) -> Figures:
    """Share of the generated structures whose elements have oxidation states that balance (`valid_composition`)."""
    results = valid_compositions(inputs)
    failed = sum(isinstance(result, Failed) for result in results)
    share = sum(result is True for result in results) / len(results)
    notes = (f"{failed} structures count as invalid: smact gave no answer",) if failed else ()
    return Figures({"valid": share}, {"structures": len(results), "without_answer": failed}, notes)


def valid_compositions(inputs: Inputs) -> list[bool | Failed]:
    """`valid_composition` of each generated structure, or why there is no answer; False for what holds no elements."""
    method = f"composition {OXIDATION_STATES}, smact {version('smact')}"
    formulas = [_formula(sample.atoms) for sample in inputs.generated]
    distinct = {f"{method}: {formula}": formula for formula in formulas if formula is not None}
    known = remembered_map(_validity_row, distinct, inputs, "compositions", TIME_LIMIT)
    rows = [None if formula is None else known[f"{method}: {formula}"] for formula in formulas]
    return [row if isinstance(row, Failed) else row is not None and bool(row[0]) for row in rows]


def valid_composition(formula: str) -> bool:
    """Whether charges balance in the order of the electronegativities; elements alone and alloys are valid.

    CDVAE's compositional validity, after Davies et al., Chem 1, 617 (2016).

    Args:
        formula: such as SrTiO3.
    """
    from smact.screening import smact_validity

    return bool(smact_validity(formula, oxidation_states_set=OXIDATION_STATES))


def _validity_row(formula: str) -> Row:
    return np.array([valid_composition(formula)], np.float32)


def _formula(atoms: Atoms | None) -> str | None:
    """The reduced formula, None of what holds no elements."""
    if atoms is None or len(atoms) == 0 or (atoms.numbers < 1).any():
        return None
    return reduced_formula(atoms)
