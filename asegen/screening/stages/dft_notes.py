"""What a folder of DFT inputs says of itself: its README's part on phonons, and what those cost."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Self

from asegen.screening.stages.dft_cells import SHORT, DisplacedCells, band_arguments

NOTES, PHONONS, DISPLACEMENTS = "README.md", "phonons", "phonopy_disp.yaml"
"""Names in a folder of inputs: what says how to use it, the folder of displaced cells, and phonopy's file in that."""

Mesh = tuple[int, int, int]


@dataclass(frozen=True)
class Cost:
    """What displaced cells cost beside the crystal itself, with the cube of the atoms and the number of k-points.

    Attributes:
        mesh: k-points of a displaced cell.
        times: all displaced cells together, in self-consistent calculations of the crystal.
    """

    mesh: Mesh
    times: float

    def __str__(self) -> str:
        """Times, to two digits."""
        return f"{float(f'{self.times:.2g}'):,.12g}"

    @classmethod
    def of(cls, cells: DisplacedCells, mesh: Mesh, n_atoms: int, mesh_of_crystal: Mesh) -> Self:
        """Of displaced cells.

        Args:
            cells: the displaced cells.
            mesh: their k-points.
            n_atoms: of the crystal's cell.
            mesh_of_crystal: its k-points.
        """
        each = (len(cells.supercell) / n_atoms) ** 3 * prod(mesh) / prod(mesh_of_crystal)
        return cls(mesh, len(cells.cells) * each)


def displaced_notes(cells: DisplacedCells, cost: Cost, program: str, output: str, anew: str) -> str:
    """How to compute phonons from displaced cells, in Markdown.

    Args:
        cells: the displaced cells.
        cost: of them.
        program: that runs in their folders.
        output: its file that phonopy reads.
        anew: phonopy's command, without `--dim`, that makes new displacements from the relaxed cell.
    """
    nx, ny, nz = cells.repeats
    mesh = " × ".join(str(n) for n in cost.mesh)
    short = (
        f"The supercell is shorter than {SHORT:g} Å, because a longer one has too many atoms: take a larger one, by\n"
        "the last command, where frequencies away from Γ matter.\n"
        if cells.height < SHORT - 1e-6
        else ""
    )
    return f"""
## Phonons

{cells}, {nx} × {ny} × {nz} primitive cells, opposite faces {cells.height:.1f} Å apart; {mesh} k-points each.
If the cost grows with the cube of the atoms and with the k-points, all of them together take as long as {cost}
self-consistent calculations of the crystal itself.
{short}
`{PHONONS}/{DISPLACEMENTS}` names the displacements; run {program} in each `{PHONONS}/disp-*`, which asks for forces
alone. Then, in `{PHONONS}`:

    phonopy-init -f disp-*/{output}
    phonopy-load {DISPLACEMENTS} --mesh 50 --gc -p -s
    phonopy-load {DISPLACEMENTS} {band_arguments(cells.primitive)} -p -s

which write the density of states to `total_dos.pdf` and the bands to `band.pdf`.

The displaced cells are those of the screening's calculator. For frequencies at the minimum of DFT, relax first, and
make new ones from the relaxed cell: `{anew} --dim {nx} {ny} {nz}`.
"""
