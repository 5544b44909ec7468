"""Formation energies from a potential's total energies, on the scale of a hull.

A potential's own energies of the elements are no good reference: the Materials Project corrects the energies of
compounds, mixes PBE with PBE+U, and the elements themselves (molecules, S8, α-Mn) are where potentials err most. So
what an atom of each element is worth is fitted, once per potential, such that known crystals come out with their known
formation energies; by least absolute deviations, which a few crystals that a potential gets wrong don't pull along.

The eight metals that the Materials Project computes with +U where there is oxygen or fluorine have two values each. For
a potential of uncorrected energies that is essential: SevenNet-0 has a mean error of 0.057 eV/atom without it, 0.019
with it (300 crystals of mp/val). Corrections for anions on top change nothing: an element's own value takes them up.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from functools import cache, partial
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linprog
from scipy.sparse import csr_array, eye_array, hstack

from asegen.errors import AsegenError, InputError, Reason
from asegen.parallel.files import cache_folder, write_text
from asegen.potentials.elements import Runner, crystal_energies
from asegen.potentials.engine import MP2020, Engine

U_METALS = frozenset({"V", "Cr", "Mn", "Fe", "Co", "Ni", "Mo", "W"})
"""Computed with +U by the Materials Project in crystals with an element of `U_ANIONS`."""
U_ANIONS = frozenset({"O", "F"})

_FEWEST = 3
"""Crystals that a value is fitted to at least; an element in fewer has none."""
_FOLDS = 5
"""Parts of the crystals, each left out once, for the error."""
_AT_ONCE = 32
"""Crystals whose energies one process computes in a go."""
_PLUS_U = "+U"
_CHGNET = "d14ab7c0f093"
"""First digits of the hash of the weights that `asegen.potentials.chgnet.ELEMENT_ENERGIES` was fitted for."""


@dataclass(frozen=True)
class ElementReferences:
    """What an atom of each element is worth in a potential's energies.

    Attributes:
        energies: symbol -> eV/atom.
        error: eV/atom, mean absolute error of formation energies of crystals that weren't fitted.
        scale: of the formation energies that come out, not of the potential's energies.
        with_u: symbol -> eV/atom for `U_METALS` in crystals with oxygen or fluorine; `energies` where there is none.
        crystals: symbol -> eV/atom of the element's own ground state, which crystals of it alone are measured against;
            `energies` where there is none.
    """

    energies: Mapping[str, float]
    error: float
    scale: str = MP2020
    with_u: Mapping[str, float] = field(default_factory=dict)
    crystals: Mapping[str, float] = field(default_factory=dict)

    def refusal(self, atoms: Atoms) -> Reason | None:
        """Why a crystal has no formation energy, with the elements named, or None."""
        unknown = sorted(set(atoms.symbols) - set(self.energies))
        return Reason("unknown element", f"no reference energy of {', '.join(unknown)}") if unknown else None

    def per_atom(self, counts: Mapping[str, float]) -> float:
        """What the atoms of a composition are worth, eV/atom.

        Args:
            counts: symbol -> atoms.

        Raises:
            InputError: an element without a reference.
        """
        table = {**self.energies, **self.with_u} if U_ANIONS & counts.keys() else self.energies
        table = {**table, **self.crystals} if len(counts) == 1 else table
        try:
            return sum(n * table[symbol] for symbol, n in counts.items()) / sum(counts.values())
        except KeyError as error:
            raise InputError(f"no reference energy of {error.args[0]}") from None

    def formation_energy(self, total_energy: float, numbers: ArrayLike) -> float:
        """A crystal's formation energy, eV/atom.

        Args:
            total_energy: of all atoms by the potential, eV.
            numbers: (n_atoms,), atomic numbers.

        Raises:
            InputError: an element without a reference.
        """
        symbols = [chemical_symbols[z] for z in np.asarray(numbers)]
        return total_energy / len(symbols) - self.per_atom(Counter(symbols))


def shipped_references(engine: Engine) -> ElementReferences | None:
    """The references of a potential that come with asegen, by the hash of its weights."""
    weights = re.search(r"sha256 ([0-9a-f]{12})", engine.identity)
    return _shipped().get(weights[1]) if weights else None


def references_of(engine: Engine, cache: Path | None = None) -> ElementReferences | None:
    """The references of a potential: those that come with asegen, or what `computed_references` has kept.

    Args:
        engine: the potential; its identity decides.
        cache: folder of kept references; one of the user's without it.
    """
    if (shipped := shipped_references(engine)) is not None:
        return shipped
    try:
        return ElementReferences(**json.loads(_place(engine, cache).read_text())["references"])
    except (OSError, ValueError, KeyError, TypeError):  # not there, or not whole
        return None


def computed_references(engine: Engine, cache: Path | None = None, run: Runner | None = None) -> ElementReferences:
    """Fits the references of a potential to the crystals that come with asegen, and keeps them.

    Args:
        engine: the potential: 752 single points of up to 12 atoms, and the relaxation of a crystal of each element.
        cache: folder to keep them in, made if it is missing; one of the user's without it.
        run: where the single points are computed; here without it.

    Raises:
        AsegenError: the potential can't be built.
        InputError: it has no energies for too many of the crystals, or the folder can't be written to.
    """
    found = fit_references(engine, *reference_crystals(), run)
    found = replace(found, crystals=crystal_energies(engine, found.energies, run))
    place = _place(engine, cache)
    try:
        write_text(place, json.dumps({"calculator": engine.identity, "references": asdict(found)}))
    except OSError as error:
        raise InputError(f"can't keep references in {place.parent}: {error}") from None
    return found


def check_fit(engine: Engine) -> None:
    """Whether a potential knows enough elements for its references to be fitted; computes nothing.

    Raises:
        InputError: it doesn't.
    """
    if engine.elements is None:
        return
    fit = sum(set(crystal.symbols) <= engine.elements for crystal in reference_crystals()[0])
    if fit < 2 * len(engine.elements):
        raise InputError(
            f"{engine.name}: of the reference crystals {fit} are of its {len(engine.elements)} elements alone, too few "
            "to fit energies of the elements",
            "fit_references",
        )


def reference_crystals() -> tuple[list[Atoms], list[float]]:
    """Crystals of the Materials Project, small and of all elements, and their formation energies, eV/atom (MP2020)."""
    from ase.io import read

    with resources.as_file(resources.files(__package__) / "reference_crystals.extxyz.gz") as file:
        crystals = read(file, ":", format="extxyz")
    assert isinstance(crystals, list)
    return crystals, [float(atoms.info["formation_energy"]) for atoms in crystals]


def fit_references(
    engine: Engine, crystals: Sequence[Atoms], formation_energies: Sequence[float], run: Runner | None = None
) -> ElementReferences:
    """What an atom of each element is worth, by least absolute deviations.

    An element in fewer than three of the crystals gets no reference. Crystals that the potential refuses are left out.

    Args:
        engine: the potential.
        crystals: relaxed ones, by the method whose formation energies are given.
        formation_energies: (n_crystals,), eV/atom, on the scale of MP2020.
        run: where energies are computed; here without it.

    Raises:
        AsegenError: the potential can't be built.
        InputError: it has no energies for too many of the crystals.
    """
    energies = _energies(engine, crystals, run)
    known = [k for k, energy in enumerate(energies) if np.isfinite(energy)]
    if not known:
        raise InputError(f"{engine.name} has no finite energies for the reference crystals")
    numbers = [crystals[k].numbers for k in known]
    references = [energies[k] - formation_energies[k] for k in known]
    columns, shares = _shares(numbers)
    used = shares.sum(1) > 1 - 1e-6  # of those whose elements all have a column
    shares, wanted = shares[used], np.array(references)[used]
    if len(wanted) < 2 * len(columns):
        known_to_it = (
            f"{len(wanted)} of the {len(crystals)} reference crystals, too few for {len(columns)} energies of atoms"
        )
        raise InputError(f"{engine.name} can't be set on the scale of the hull: it knows {known_to_it}")
    values = dict(zip(columns, _least_absolute(shares, wanted).round(4).tolist(), strict=True))
    with_u = {name.removesuffix(_PLUS_U): value for name, value in values.items() if name.endswith(_PLUS_U)}
    plain = {name: value for name, value in values.items() if not name.endswith(_PLUS_U)}
    return ElementReferences({**with_u, **plain}, _left_out_error(shares, wanted), MP2020, with_u)


def _energies(engine: Engine, crystals: Sequence[Atoms], run: Runner | None) -> list[float]:
    """eV/atom of each crystal; NaN where the potential has none."""
    chunks = [crystals[k : k + _AT_ONCE] for k in range(0, len(crystals), _AT_ONCE)]
    work = partial(_energies_here, engine)
    answers = [work(chunk) for chunk in chunks] if run is None else run(work, chunks)
    found: list[float] = []
    for chunk, answer in zip(chunks, answers, strict=True):
        if isinstance(answer, AsegenError):
            raise answer
        found += [float("nan")] * len(chunk) if isinstance(answer, Exception) else answer
    return found


def _energies_here(engine: Engine, crystals: Sequence[Atoms]) -> list[float]:
    calculator = engine.calculator()
    found = []
    for crystal in crystals:
        energy = float("nan")
        if engine.refusal(crystal) is None:
            plain = Atoms(crystal.numbers, crystal.positions, cell=crystal.cell, pbc=True, calculator=calculator)
            with suppress(Exception):  # calculators refuse in their own ways; one crystal of hundreds is not missed
                energy = float(plain.get_potential_energy()) / len(plain)
        found.append(energy)
    return found


def _shares(numbers: Sequence[NDArray[np.integer]]) -> tuple[list[str], NDArray[np.float64]]:
    """Names of the values to be fitted, and (n_crystals, n_values): the share of each in a crystal's atoms."""
    kinds = [_kinds(row) for row in numbers]
    count = Counter(kind for row in kinds for kind in set(row))
    few = {kind: kind.removesuffix(_PLUS_U) for kind in count if kind.endswith(_PLUS_U) and count[kind] < _FEWEST}
    kinds = [[few.get(kind, kind) for kind in row] for row in kinds]
    count = Counter(kind for row in kinds for kind in set(row))
    columns = sorted(kind for kind in count if count[kind] >= _FEWEST)
    return columns, np.array([[row.count(column) / len(row) for column in columns] for row in kinds])


def _kinds(numbers: NDArray[np.integer]) -> list[str]:
    symbols = [chemical_symbols[z] for z in numbers]
    plus = bool(U_ANIONS & set(symbols))
    return [symbol + _PLUS_U if plus and symbol in U_METALS else symbol for symbol in symbols]


def _least_absolute(shares: NDArray[np.float64], wanted: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n_values,): those for which the sum of |shares @ values - wanted| is least."""
    rows, columns = shares.shape
    equal = hstack([csr_array(shares), eye_array(rows), -eye_array(rows)]).tocsr()
    costs = np.concatenate([np.zeros(columns), np.ones(2 * rows)])  # of what remains, upwards and downwards
    bounds = [(None, None)] * columns + [(0, None)] * (2 * rows)
    found: Any = linprog(costs, A_eq=equal, b_eq=wanted, bounds=bounds, method="highs")
    return np.asarray(found.x[:columns])


def _left_out_error(shares: NDArray[np.float64], wanted: NDArray[np.float64]) -> float:
    """Mean absolute error, eV/atom, of crystals by values that were fitted to the others."""
    errors = []
    for fold in range(_FOLDS):
        inside = np.arange(len(wanted)) % _FOLDS != fold
        values = _least_absolute(shares[inside], wanted[inside])
        told = (shares[:, ~shares[inside].any(0)] == 0).all(1) & ~inside  # those whose elements were all fitted
        errors.append(np.abs(shares[told] @ values - wanted[told]))
    return round(float(np.concatenate(errors).mean()), 4)


@cache
def _shipped() -> dict[str, ElementReferences]:
    """First twelve digits of the weights' hash -> references."""
    from asegen.potentials.chgnet import ELEMENT_ENERGIES, FORMATION_ENERGY_ERROR

    table = json.loads((resources.files(__package__) / "element_references.json").read_text())
    found = {weights: ElementReferences(**row["references"]) for weights, row in table.items()}
    found |= {_CHGNET: ElementReferences(ELEMENT_ENERGIES, FORMATION_ENERGY_ERROR)}
    crystals = json.loads((resources.files(__package__) / "element_crystals.json").read_text())["energies"]
    return {weights: replace(row, crystals=crystals[weights]) for weights, row in found.items()}


def _place(engine: Engine, cache: Path | None) -> Path:
    return (cache or cache_folder("references")) / f"{hashlib.sha256(engine.identity.encode()).hexdigest()[:16]}.json"
