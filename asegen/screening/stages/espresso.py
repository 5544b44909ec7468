"""Inputs of Quantum ESPRESSO for the user's own DFT, with the k-points, moments and +U of the Materials Project.

The functional is that of the pseudopotentials, which are the user's (Giannozzi et al., J. Phys. Condens. Matter 2017).
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from ase import Atoms
from ase.io import write
from pymatgen.core import Composition, Element
from pymatgen.io.ase import AseAtomsAdaptor
from pymatgen.io.vasp.sets import MPRelaxSet

from asegen.potentials.espresso import SETTINGS as ESPRESSO
from asegen.potentials.pseudopotentials import Pseudopotentials
from asegen.screening.stages.dft_cells import CellSettings, DisplacedCells, displaced_cells
from asegen.screening.stages.dft_notes import DISPLACEMENTS, NOTES, PHONONS, Cost, Mesh, displaced_notes
from asegen.screening.stages.job_scripts import JOB, Jobs
from asegen.screening.stages.vasp import literal, mesh_of

RELAX, SCF, STATIC, STATIC_SCRIPT = "relax.in", "scf.in", "static", "make_static.py"
"""Inputs of pw.x for a relaxation and for one energy, the folder of the static step, and the script that puts the
relaxed crystal into its input."""

_PREFIX = "crystal"
_KBAR = 10.0  # of a GPa
_MAGNETIC = 1.0  # Bohr magnetons; MPRelaxSet gives 0.6 to atoms that are none
_SCALE_OF_MOMENTS = 10.0  # pw.x takes parts of the valence: a moment of 5, of high-spin iron, is one half
_RELAXATION: dict[str, Any] = {"calculation": "vc-relax", "nstep": 200, "forc_conv_thr": 4e-4}
_ENERGY: dict[str, Any] = {"calculation": "scf"}
_ACCURACY, _ACCURACY_OF_FORCES = 1e-9, 1e-12  # Ry for each atom, of the self-consistency


def write_inputs(
    atoms: Atoms,
    folder: Path,
    potentials: Pseudopotentials,
    phonons: CellSettings | None = None,
    pressure: float = 0.0,
    jobs: Jobs | None = None,
) -> str:
    """Writes `RELAX` (vc-relax), `STATIC` (scf), `STATIC_SCRIPT` and `NOTES`.

    Args:
        atoms: a crystal; its atoms are put in order of their elements.
        folder: made if it is missing.
        potentials: names of the pseudopotentials' files.
        phonons: how displaced cells are made, in a folder `PHONONS` with `phonopy_disp.yaml`; none without it.
        pressure: GPa, at which the crystal relaxes (press).
        jobs: writes job scripts; none without it.

    Returns:
        How many displaced cells there are, of how many atoms, and what they cost; empty without them.

    Raises:
        InputError: it can't be told which pseudopotential an element has.
    """
    jobs = jobs or Jobs()
    crystal = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=True)
    crystal = AseAtomsAdaptor.get_atoms(AseAtomsAdaptor.get_structure(crystal).get_sorted_structure())
    relaxed = _Settings.of(crystal, potentials)
    static = folder / STATIC
    static.mkdir(parents=True, exist_ok=True)
    crystal.set_initial_magnetic_moments(relaxed.magmoms or None)
    write(folder / RELAX, crystal, **relaxed.arguments(_RELAXATION, pressure=_KBAR * pressure))
    write(static / SCF, crystal, **relaxed.arguments(_ENERGY))
    (folder / STATIC_SCRIPT).write_text(_static_script(relaxed))
    jobs.write(folder, len(crystal), "relax", input=RELAX, output="relax.out")
    jobs.write(static, len(crystal), STATIC, prepare=f"python ../{STATIC_SCRIPT}", input=SCF, output="scf.out")
    text = _notes(crystal, potentials, relaxed, jobs, pressure)
    told = ""
    if phonons is not None:
        cells, cost = _write_displaced(crystal, folder / PHONONS, potentials, phonons, relaxed, jobs)
        text += displaced_notes(cells, cost, f"pw.x on {SCF}", "scf.out", f"phonopy-init --qe -d -c ../{STATIC}/{SCF}")
        told = f"{cells}, as long as {cost} calculations of the crystal"
    (folder / NOTES).write_text(text)
    return told


@dataclass(frozen=True)
class _Settings:
    """How pw.x computes a crystal.

    Attributes:
        magmoms: (n_atoms,), Bohr magnetons; empty for a crystal without.
        mesh: k-points along the vectors of the reciprocal lattice.
        offset: 1 where the mesh is displaced by half a step, else 0.
        hubbard: lines of the card HUBBARD; none without +U.
        files: symbol -> pseudopotential.
        folder: of those; empty where it isn't known.
        cutoffs: Ry, of wave functions and density.
    """

    magmoms: tuple[float, ...]
    mesh: Mesh
    offset: Mesh
    hubbard: tuple[str, ...]
    files: Mapping[str, str]
    folder: str
    cutoffs: tuple[float, float]

    @classmethod
    def of(cls, crystal: Atoms, potentials: Pseudopotentials) -> Self:
        """Those of MPRelaxSet, as far as pw.x has the same."""
        structure = AseAtomsAdaptor.get_structure(crystal)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of settings of its own
            inputs = MPRelaxSet(structure, sort_structure=False)
            incar, mesh = inputs.incar, mesh_of(inputs)
            assert inputs.kpoints is not None  # MPRelaxSet has a mesh
            centred = inputs.kpoints.style.name == "Gamma"
        magmoms = tuple(float(m) for m in incar.get("MAGMOM", []))
        symbols = list(dict.fromkeys(crystal.symbols))
        n1, n2, n3 = (int(not centred and n % 2 == 0) for n in mesh)
        return cls(
            magmoms=magmoms if any(abs(m) > _MAGNETIC for m in magmoms) else (),
            mesh=mesh,
            offset=(n1, n2, n3),
            hubbard=_hubbard(symbols, incar),
            files={symbol: potentials.file(symbol) for symbol in symbols},
            folder=potentials.folder,
            cutoffs=potentials.cutoffs_of(symbols),
        )

    def arguments(
        self, control: Mapping[str, Any], accuracy: float = _ACCURACY, pressure: float | None = None
    ) -> dict[str, Any]:
        """Arguments of `ase.io.write` beside the file and the atoms.

        Args:
            control: which calculation.
            accuracy: of the self-consistency, Ry.
            pressure: kbar, of a relaxation of the cell; None for none.
        """
        place = {"pseudo_dir": self.folder} if self.folder else {}
        wave, density = self.cutoffs
        system = {"ecutwfc": wave, "ecutrho": density, "occupations": "smearing", "smearing": "gaussian"}
        data: dict[str, dict[str, Any]] = {
            "control": {**control, **place, "prefix": _PREFIX, "outdir": "out", "tprnfor": True, "tstress": True},
            "system": system | {"degauss": ESPRESSO["system"]["degauss"]} | ({"nspin": 2} if self.magmoms else {}),
            "electrons": {"conv_thr": accuracy, "electron_maxstep": 200},
        }
        if pressure is not None:
            data |= {"ions": {}, "cell": {"press": pressure, "press_conv_thr": 0.5}}
        return {
            "format": "espresso-in",
            "input_data": data,
            "pseudopotentials": dict(self.files),
            "kpts": self.mesh,
            "koffset": self.offset,
            "rescale_magmom_fac": _SCALE_OF_MOMENTS,
            "additional_cards": list(self.hubbard),
        }


def _hubbard(symbols: Sequence[str], incar: Mapping[str, Any]) -> tuple[str, ...]:
    """The card of pw.x 7.1 and later."""
    if not incar.get("LDAU"):
        return ()
    lines = [
        f"U {symbol}-{Element(symbol).row - 1}d {value:g}"
        for symbol, value in zip(symbols, incar["LDAUU"], strict=True)
        if value
    ]
    return ("HUBBARD (ortho-atomic)", *lines) if lines else ()


def _write_displaced(
    atoms: Atoms, folder: Path, potentials: Pseudopotentials, how: CellSettings, relaxed: _Settings, jobs: Jobs
) -> tuple[DisplacedCells, Cost]:
    """`phonopy_disp.yaml` in pw.x's units, and for each displacement a folder that pw.x can run in."""
    cells = displaced_cells(atoms, how, "qe")
    settings = _Settings.of(cells.supercell, potentials)
    folder.mkdir(parents=True, exist_ok=True)
    cells.phonon.save(folder / DISPLACEMENTS, settings={"force_sets": False, "displacements": True})
    for k, cell in enumerate(cells.cells, 1):
        place = folder / f"disp-{k:03d}"
        place.mkdir(exist_ok=True)
        cell.set_initial_magnetic_moments(settings.magmoms or None)
        write(place / SCF, cell, **settings.arguments(_ENERGY, _ACCURACY_OF_FORCES))
        jobs.write(place, len(cell), place.name, input=SCF, output="scf.out")
    return cells, Cost.of(cells, settings.mesh, len(atoms), relaxed.mesh)


def _static_script(settings: _Settings) -> str:
    return f'''"""Puts the relaxed crystal of ../relax.out into {SCF}; run it in the folder {STATIC}, with ASE."""

from ase.io import read, write

SETTINGS = {literal(settings.arguments(_ENERGY))}
MAGMOMS = {list(settings.magmoms) or None}

atoms = read("../relax.out", format="espresso-out")
atoms.set_initial_magnetic_moments(MAGMOMS)
write("{SCF}", atoms, **SETTINGS)
'''


def _notes(atoms: Atoms, potentials: Pseudopotentials, settings: _Settings, jobs: Jobs, pressure: float) -> str:
    formula = Composition(str(atoms.symbols)).reduced_formula
    at = f" at {pressure:g} GPa (press)" if pressure else ""
    scripts = f"- `{JOB}`, in each folder in which pw.x runs: your job script.\n" if jobs.template else ""
    names = ", ".join(f"`{name}`" for name in settings.files.values())
    where = f"in `{settings.folder}` (pseudo_dir)" if settings.folder else "in the folder that ESPRESSO_PSEUDO names"
    unknown = sorted(set(settings.files) - set(potentials.files))
    made_up = (
        f"\n  Those of {', '.join(unknown)} are not known: give yours such a name, or screen with --pseudopotentials."
        if unknown
        else ""
    )
    wave, density = settings.cutoffs
    known = set(settings.files) <= set(potentials.cutoffs)
    cutoffs = "as the pseudopotentials' table says" if known else "which suits most pseudopotentials: look yours up"
    plus_u = (
        "\n- The card HUBBARD (+U, the Materials Project's values) needs pw.x 7.1 or later." if settings.hubbard else ""
    )
    return f"""# {formula}: inputs for Quantum ESPRESSO

- `{RELAX}`: a relaxation{at}, vc-relax: `pw.x -in {RELAX} > relax.out`.
- `{STATIC}/{SCF}`: one energy of the crystal as the screening left it; after `python ../{STATIC_SCRIPT}` there, of the
  relaxed one: `pw.x -in {SCF} > scf.out`. Its energy is the one that counts.
{scripts}- Pseudopotentials: {names}, {where}.{made_up}
- Cut-offs of {wave:g} and {density:g} Ry, {cutoffs}.
- k-points, moments and +U are those of the Materials Project's MPRelaxSet; the functional is that of the
  pseudopotentials.{plus_u}

When some are done, `asegen screen --workdir RUN --collect` reads their energies and ranks the candidates by them.
"""
