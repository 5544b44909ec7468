"""Ordered crystals of a CIF whose sites are shared or partly empty, the one with the lowest Ewald energy first.

Occupancies are averages over a crystal; a calculator needs whole atoms. In the smallest supercell in which all sites
hold whole atoms, point charges at the oxidation states of the composition decide who sits where (pymatgen's
OrderDisorderedStructureTransformation).
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping
from typing import Any

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
_MOST_SITES = 40
"""Of a supercell in which further orderings are looked for."""
_TRIED = 8
"""Orderings that are looked at for each that is asked for: most are equal by symmetry."""
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
    return _by_ewald(average, average * _repeats(average, _multiple(average)), 1)[0]


def orderings(text: str, most: int) -> list[Atoms]:
    """Different orderings of the first crystal of a CIF, in each supercell the one of the lowest Ewald energy first.

    The smallest supercell comes first, and larger ones of up to 40 sites where that has too few orderings. Where no
    oxidation states balance, as in alloys, there is no such energy: random orderings then, always the same.

    Args:
        text: CIF text; a crystal of whole atoms is its only ordering.
        most: at most so many.

    Returns:
        Crystals of whole atoms, with notes as of `ordered`.

    Raises:
        StructureError: pymatgen can't read it, or no small supercell has whole atoms.
    """
    average = _read(text)
    if average.is_ordered:
        return [_atoms(average, "every site has one element")]
    from asegen.structures.matching import STRICT, Distinct  # loads pymatgen's matcher

    seen, found = Distinct(STRICT), []
    smallest = _multiple(average)
    for multiple in range(smallest, _MOST_SITES // len(average) + 1, smallest):
        found += [atoms for atoms in _orderings_in(average, multiple, _TRIED * most) if seen.add(atoms).earlier is None]
        if len(found) >= most:
            break
    return (found or [ordered(text)])[:most]


def _orderings_in(average: Structure, multiple: int, most: int) -> list[Atoms]:
    crystal = average * _repeats(average, multiple)
    try:
        return _by_ewald(average, crystal.copy(), most)
    except StructureError:
        return _at_random(average, crystal, most)


def _by_ewald(average: Structure, crystal: Structure, most: int) -> list[Atoms]:
    """Orderings by Ewald energy, of which many are equal by symmetry."""
    charges = _charges(crystal)
    crystal.add_oxidation_state_by_element(charges)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            transformation = OrderDisorderedStructureTransformation()
            found = transformation.apply_transformation(crystal, return_ranked_list=most if most > 1 else False)
    except (ValueError, RuntimeError) as error:
        raise StructureError(f"partial occupancy: not ordered ({first_line(error)})") from None
    ranked: list[Any] = found if isinstance(found, list) else [{"structure": found}]
    best: list[Structure] = [entry["structure"] for entry in ranked]
    told = " ".join(f"{symbol}{charge:+g}" for symbol, charge in charges.items())
    note = f"ordered from {average.composition.formula} by the Ewald energy of {told}"
    for one in best:
        one.remove_oxidation_states()
    return [_atoms(one, note) for one in best]


def _at_random(average: Structure, crystal: Structure, most: int) -> list[Atoms]:
    """Orderings in which the atoms of each kind of site are dealt out at random."""
    rng, kinds = np.random.default_rng(0), dict[Composition, list[int]]()
    for k, site in enumerate(crystal):
        kinds.setdefault(site.species, []).append(k)
    note = f"ordered from {average.composition.formula} at random: no oxidation states balance"
    return [_atoms(_dealt(crystal, kinds, rng), note) for _ in range(most)]


def _dealt(crystal: Structure, kinds: Mapping[Composition, list[int]], rng: np.random.Generator) -> Structure:
    species: list[tuple[str, int]] = []
    for kind, places in kinds.items():
        given = [str(element) for element, share in kind.items() for _ in range(round(share * len(places)))]
        species += zip(given, rng.permutation(places)[: len(given)].tolist(), strict=True)
    symbols, sites = [symbol for symbol, _ in species], [k for _, k in species]
    return Structure(crystal.lattice, symbols, crystal.frac_coords[sites])


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
