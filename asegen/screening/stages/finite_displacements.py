"""Dynamic stability by phonopy's finite displacements, with any ASE calculator (Togo, J. Phys. Soc. Jpn. 2023).

Frequencies are in THz; imaginary ones are negative. No non-analytical term is added at Γ: the split of longitudinal and
transverse optical modes there is missing, which decides no stability.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator
from numpy.typing import NDArray

from asegen.parallel.files import write_text
from asegen.potentials.minimise import minimise
from asegen.screening.stages.band_structure import rounded, run_bands
from asegen.screening.stages.phonon_results import (
    BANDS,
    DOS,
    MARGINAL,
    MESH,
    PARAMETERS,
    STABLE,
    SUMMARY,
    Phonons,
    verdict,
)
from asegen.screening.stages.supercells import displaced_supercells, multiples, primitive

Floats = NDArray[np.float64]

_GOOD_ENOUGH = 10  # times `fmax`: harmonic enough, though not converged
_ACOUSTIC = 3
_NO_FREQUENCY = 1e-4  # THz


@dataclass(frozen=True)
class Settings:
    """How phonons are computed.

    Attributes:
        fmax: eV/Å, to which the crystal is relaxed first, within its space group.
        steps: of that relaxation, at most.
        height: Å, the supercell's least distance between opposite faces.
        displacement: Å.
        confirm: Å, a second displacement, for crystals that come out other than stable; 0 for none. Where it changes
            the verdict, it decides. Learned potentials have cusps where atoms sit by symmetry, CHGNet at straight
            bond angles, which it describes by sines and cosines of non-integer multiples: within 0.03 Å of its place
            an atom of Mg2Si is pushed away (-3 THz), beyond it is pulled back.
        mesh: Å, phonopy's measure: so many points along a vector of length 1/mesh in reciprocal space.
        most_atoms: of a supercell; a larger one is refused.
        symprec: Å, of the space group that the crystal is made to have.
        check_size: compute a second time with one more cell along each vector, and call a verdict that changes
            marginal.
    """

    fmax: float = 1e-3
    steps: int = 1000
    height: float = 12.0
    displacement: float = 0.01
    confirm: float = 0.1
    mesh: float = 50.0
    most_atoms: int = 1000
    symprec: float = 0.01
    check_size: bool = False


def phonons(
    atoms: Atoms, calculator: Calculator, folder: Path, settings: Settings | None = None, pressure: float = 0.0
) -> Phonons:
    """Relaxes a crystal within its space group, then computes its phonons and writes them down.

    Args:
        atoms: a crystal; left as it is.
        calculator: gives energy, forces and stress.
        folder: made if missing; takes `SUMMARY`, and where there are phonons `PARAMETERS`, `BANDS`, `MESH` and `DOS`.
        settings: the defaults without them.
        pressure: eV/Å³, at which the crystal is relaxed.

    Raises:
        ValueError: the calculator gives no finite numbers for the crystal or for a displaced one.
    """
    settings = settings or Settings()
    crystal = primitive(atoms, settings.symprec)
    how = (settings.fmax, settings.steps, True, settings.symprec)
    end = minimise(crystal, calculator, *how, pressure=pressure)
    if end.fmax > _GOOD_ENOUGH * settings.fmax:
        found = Phonons("", f"unconverged: {end.fmax:.2g} eV/Å left after {end.steps} steps")
    elif len(end.atoms) * np.prod(multiples(end.atoms, settings.height)) > settings.most_atoms:
        n_atoms = len(end.atoms) * int(np.prod(multiples(end.atoms, settings.height)))
        found = Phonons("", f"too large: a supercell of {n_atoms} atoms, more than {settings.most_atoms}")
    else:
        phonon, found = _decided(end.atoms, calculator, settings)
        if found.bands:
            found = _sized(found, end.atoms, calculator, settings)
            _write(phonon, folder)
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / SUMMARY, json.dumps(asdict(found)))
    return found


def displaced(atoms: Atoms, settings: Settings, larger: int = 0) -> Any:
    """A `phonopy.Phonopy` of a primitive cell, with its supercell and displacements made.

    Args:
        atoms: a primitive cell that has its space group exactly.
        settings: of the supercell and the displacements.
        larger: by so many cells along each vector.
    """
    repeats = tuple(n + larger for n in multiples(atoms, settings.height))
    return displaced_supercells(atoms, repeats, settings.displacement)


def _compute(phonon: Any, calculator: Calculator, settings: Settings) -> Phonons:
    phonon.forces = np.array([_forces(cell, calculator) for cell in phonon.supercells_with_displacements])
    phonon.produce_force_constants(show_drift=False)
    phonon.symmetrize_force_constants(show_drift=False)
    phonon.run_mesh(settings.mesh, is_gamma_center=True)
    if np.abs(phonon.mesh.frequencies).max() < _NO_FREQUENCY:
        return Phonons("", "no frequencies: no force brings displaced atoms back")
    phonon.run_total_dos()
    bands = tuple(run_bands(phonon))
    modes = _lowest_of(phonon.mesh.qpoints, phonon.mesh.frequencies)
    for points, frequencies in zip(phonon.band_structure.qpoints, phonon.band_structure.frequencies, strict=True):
        modes = min(modes, _lowest_of(points, frequencies))
    return Phonons(
        verdict=verdict(modes[0]),
        lowest=modes[0],
        lowest_at=modes[1],
        displacement=settings.displacement,
        supercell=tuple(int(n) for n in np.diag(phonon.supercell_matrix)),
        n_atoms=len(phonon.supercell),
        n_displacements=len(phonon.forces),
        bands=bands,
        dos_frequencies=rounded(phonon.total_dos.frequency_points),
        dos=rounded(phonon.total_dos.dos),
    )


def _decided(atoms: Atoms, calculator: Calculator, settings: Settings) -> tuple[Any, Phonons]:
    """The phonopy.Phonopy and the phonons with the first displacement, or the second where that changes the verdict."""
    phonon = displaced(atoms, settings)
    found = _compute(phonon, calculator, settings)
    if not settings.confirm or not found.bands or found.verdict == STABLE:
        return phonon, found
    small, large = settings.displacement, settings.confirm
    farther = displaced(atoms, replace(settings, displacement=large))
    other = _compute(farther, calculator, replace(settings, displacement=large))
    if not other.bands or other.verdict == found.verdict:
        return phonon, replace(found, lowest_of_farther=other.lowest)
    reason = f"displacement decides: {found.verdict} with {small:g} Å, {other.verdict} with {large:g} Å"
    return farther, replace(other, lowest_of_nearer=found.lowest, reason=reason)


def _sized(found: Phonons, atoms: Atoms, calculator: Calculator, settings: Settings) -> Phonons:
    """The verdict, marginal where a larger supercell changes it."""
    if not settings.check_size:
        return found
    settings = replace(settings, displacement=found.displacement or settings.displacement)
    larger = displaced(atoms, settings, larger=1)
    n_atoms = len(larger.supercell)
    if n_atoms > settings.most_atoms:
        return _with_reason(found, f"size not checked: a supercell of {n_atoms} atoms is too large")
    other = _compute(larger, calculator, settings)
    sized = replace(found, lowest_of_larger=other.lowest)
    if other.verdict == found.verdict:
        return sized
    reason = f"supercell decides: {found.verdict} with {found.n_atoms} atoms, {other.verdict} with {n_atoms}"
    return replace(_with_reason(sized, reason), verdict=MARGINAL)


def _with_reason(found: Phonons, reason: str) -> Phonons:
    return replace(found, reason="; ".join(part for part in (found.reason, reason) if part))


def _forces(cell: Any, calculator: Calculator) -> Floats:
    """Forces (n_atoms, 3) in eV/Å on a displaced supercell."""
    # Without pbc, ASE's calculators would compute a cluster, and say nothing.
    atoms = Atoms(numbers=cell.numbers, cell=cell.cell, scaled_positions=cell.scaled_positions, pbc=True)
    atoms.calc = calculator
    forces = np.asarray(atoms.get_forces(), float)
    if not np.isfinite(forces).all():
        raise ValueError("non-finite: the calculator gives no finite forces on a displaced crystal")
    return forces


def _lowest_of(qpoints: Floats, frequencies: Floats) -> tuple[float, tuple[float, ...]]:
    """The lowest frequency and its wave vector; (n_points, 3) and (n_points, n_bands)."""
    frequencies = frequencies.copy()
    at_gamma = np.linalg.norm(qpoints - np.rint(qpoints), axis=1) < 1e-6
    for k in np.flatnonzero(at_gamma):
        frequencies[k, np.argsort(np.abs(frequencies[k]))[:_ACOUSTIC]] = np.inf
    lowest = frequencies.min(1)
    where = int(lowest.argmin())
    return float(lowest[where]), tuple(round(float(x), 6) for x in qpoints[where])


def _write(phonon: Any, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    phonon.save(folder / PARAMETERS, settings={"force_sets": True, "displacements": True, "force_constants": False})
    phonon.band_structure.write_yaml(filename=str(folder / BANDS))
    phonon.mesh.write_yaml(filename=str(folder / MESH))
    phonon.total_dos.write(filename=str(folder / DOS))
