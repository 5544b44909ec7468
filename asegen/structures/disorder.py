"""One ordered crystal of a CIF whose sites are shared or partly empty: the one with the lowest Ewald energy.

Occupancies are averages over a crystal; a calculator needs whole atoms. In the smallest supercell in which all sites
hold whole atoms, point charges at the oxidation states of the composition decide who sits where (pymatgen's
OrderDisorderedStructureTransformation).
"""

from __future__ import annotations

import io
import warnings

import numpy as np
from ase import Atoms
from pymatgen.core import Composition, Structure
from pymatgen.io.ase import AseAtomsAdaptor
from pymatgen.io.cif import CifParser
from pymatgen.transformations.standard_transformations import OrderDisorderedStructureTransformation

from asegen.structures.errors import StructureError, first_line
from asegen.structures.fields import NOTE

MOST_ATOMS = 100
"""Sites of the supercell."""
_WHOLE = 0.01
"""Of an atom: what the digits of a CIF leave."""


def ordered(text: str) -> Atoms:
    """The ordering of the first crystal of a CIF, for one that `cif_to_atoms` refuses for its occupancies.

    Args:
        text: CIF text.

    Returns:
        A crystal of whole atoms, with a note of what was done under `asegen.structures.cif.NOTE`.

    Raises:
        StructureError: pymatgen can't read it, no small supercell has whole atoms, or no
            oxidation states balance (as in alloys).
    """
    average = _read(text)
    if average.is_ordered:
        return _atoms(average, "ions of one element share its sites")
    crystal = average * _repeats(average, _multiple(average))
    charges = _charges(crystal)
    crystal.add_oxidation_state_by_element(charges)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            best = OrderDisorderedStructureTransformation().apply_transformation(crystal)
    except (ValueError, RuntimeError) as error:
        raise StructureError(f"partial occupancy: not ordered ({first_line(error)})") from None
    assert isinstance(best, Structure)  # one, where no ranking of several is asked for
    best.remove_oxidation_states()
    told = " ".join(f"{symbol}{charge:+g}" for symbol, charge in charges.items())
    note = f"ordered from {average.composition.formula} by the Ewald energy of {told}"
    return _atoms(best, note)


def _atoms(crystal: Structure, note: str) -> Atoms:
    found = AseAtomsAdaptor.get_atoms(crystal.get_sorted_structure())
    return Atoms(found.numbers, found.positions, cell=found.cell.array, pbc=True, info={NOTE: note})


def _read(text: str) -> Structure:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            average = CifParser(io.StringIO(text)).parse_structures(primitive=True)[0]
    except Exception:  # pymatgen raises anything on malformed text
        raise StructureError("unreadable: pymatgen finds no structure in the CIF") from None
    average.remove_oxidation_states()
    return average


def _multiple(average: Structure) -> int:
    """How many cells it takes for each kind of site to hold whole atoms."""
    kinds: dict[Composition, int] = {}
    for site in average:
        kinds[site.species] = kinds.get(site.species, 0) + 1
    amounts = np.array([number * share for kind, number in kinds.items() for share in kind.values()])
    for multiple in range(1, MOST_ATOMS // len(average) + 1):
        if np.abs(multiple * amounts - np.rint(multiple * amounts)).max() < _WHOLE:
            return multiple
    raise StructureError(f"partial occupancy: no cell of up to {MOST_ATOMS} sites holds whole atoms")


def _repeats(average: Structure, multiple: int) -> list[int]:
    """Of each cell vector, so that the supercell is as compact as it gets."""
    heights = 1 / np.linalg.norm(np.linalg.inv(average.lattice.matrix), axis=0)
    choices = [
        (a, b, multiple // (a * b))
        for a in range(1, multiple + 1)
        for b in range(1, multiple + 1)
        if multiple % (a * b) == 0
    ]
    return list(max(choices, key=lambda choice: (heights * choice).min()))


def _charges(crystal: Structure) -> dict[str, float]:
    """Oxidation states, by element."""
    amounts = {symbol: round(amount) for symbol, amount in crystal.composition.get_el_amt_dict().items()}
    guesses = Composition(amounts).reduced_composition.oxi_state_guesses()
    if not guesses or not any(guesses[0].values()):
        raise StructureError(f"partial occupancy: no oxidation states for {Composition(amounts).reduced_formula}")
    return {symbol: float(charge) for symbol, charge in guesses[0].items()}
