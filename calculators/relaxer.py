"""`LearnedRelaxer`: a rough crystal pulled to a sensible cell and positions, used like an optimiser of ASE."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import torch
from ase import Atoms
from ase.filters import Filter
from ase.optimize.optimize import Optimizer
from ase.parallel import world
from ase.utils.abc import Optimizable

from asegen.arguments import real_number
from asegen.calculators.constraints import RelaxationConstraints, constraints_of, freedom_of, refusal, unwrap
from asegen.crystals.crystals import Crystals, Tangent
from asegen.errors import InputError
from asegen.parallel.files import write_text
from asegen.relaxation.motion import size_of
from asegen.relaxation.relax import Limits
from asegen.relaxation.statuses import CONVERGED, INVALID, OUT_OF_STEPS, VOLUME
from asegen.structures.atoms import check_atoms, crystals_from_atoms, write_into
from asegen.trained.relaxer import Relaxer, load_relaxer


class LearnedRelaxer(Optimizer):
    """Relaxes one crystal step by step without energies, forces or stresses.

    An optimiser of ASE: `run`, `irun`, `attach`, logfile, trajectory, restart and `with` work alike, constraints are
    kept on the Atoms (`FixAtoms`, `FixCom` and `FixSymmetry` are honoured), and it can be passed where a class of
    optimisers is asked for. The cell of plain Atoms stays; it moves with `cell=True` or inside a cell filter. `fmax` is
    a length: how far the network would still move an atom, in Å. It knows no pressure: filters with one are refused.

    Attributes:
        status: "" before a run; then "converged", "out of steps", "volume", or "invalid" where the crystal fails the
            validity gate when it stops.
        reason: one line if it didn't converge.
        maxstep: see below.
        relaxer: the loaded `Relaxer`.

    Args:
        atoms: a crystal, or a `UnitCellFilter`, `FrechetCellFilter` or `StrainFilter` around one.
        restart: file that keeps the number of steps and the first volume, read if it exists.
        logfile: path or open file, "-" for standard output, None for none.
        trajectory: path or open trajectory.
        append_trajectory: add to the trajectory rather than replace it.
        model: a shipped model's name, a path of weights, or a loaded `Relaxer`.
        device: "auto", "cpu", "cuda" …
        cell: the cell of plain Atoms moves too, as `relax_structures` moves it.
        fix_positions: fractional positions stay.
        keep_symmetry: the crystal is made to have its space group exactly, and keeps it.
        symprec: Å, tolerance of the space group.
        volume_factor: the run stops, and its last step is undone, when the volume grows or shrinks by more.
        maxstep: Å, a step that moves an atom within the cell, or the end of a cell vector, farther is shortened to it;
            None follows the network, whose steps are few and large.
        comm: ASE's communicator.

    Raises:
        InputError: not a crystal, an element without training data, a constraint that can't be honoured, or no model.
        CheckpointError: weights that can't be read.
    """

    fmax: float  # type: ignore[assignment]  # None in ASE before a run

    def __init__(
        self,
        atoms: Atoms | Filter | Optimizable,
        restart: str | Path | None = None,
        logfile: IO | str | Path | None = "-",
        trajectory: Any = None,
        append_trajectory: bool = False,
        *,
        model: str | Path | Relaxer | None = None,
        device: str = "auto",
        cell: bool = False,
        fix_positions: bool = False,
        keep_symmetry: bool = False,
        symprec: float = 0.01,
        volume_factor: float = Limits.volume_factor,
        maxstep: float | None = None,
        comm: Any = world,
    ) -> None:
        if maxstep is not None and not real_number("maxstep", maxstep) > 0:
            raise InputError(f"maxstep = {maxstep}: a positive length in Å is needed")
        volume_factor = Limits(volume_factor=volume_factor).volume_factor
        given = unwrap(atoms)
        moves_cell, fix_positions = cell or given.cell, fix_positions or not given.positions
        constraints = RelaxationConstraints(not moves_cell, fix_positions, keep_symmetry, symprec)
        self._crystal, self._strains = given.crystal, given.strains
        self.relaxer = model if isinstance(model, Relaxer) else load_relaxer(model, device)
        if (reason := refusal(self._crystal, self.relaxer)) is not None:
            raise InputError(str(reason))
        self._freedom = freedom_of([constraints_of(self._crystal, constraints)], constraints)
        self._symmetrise()
        self._first_volume = self._crystal.cell.volume
        self._known: tuple[Crystals, Tangent] | None = None
        target: Any = atoms  # ASE means filters too
        super().__init__(target, restart, logfile, trajectory, append_trajectory, comm=comm)
        self.fmax, self.cell_max = Limits.position_tolerance, Limits.cell_tolerance
        self.volume_factor, self.maxstep = volume_factor, maxstep
        self.status, self.reason = "", ""

    def __repr__(self) -> str:
        """The crystal, the model, and how far it is."""
        stage = f"{self.status or 'not converged'} after {self.nsteps} steps" if self.nsteps or self.status else "new"
        return f"{type(self).__name__}({self._crystal.symbols}, model={self.relaxer.name!r}, {stage})"

    def run(  # type: ignore[override]  # as in ASE's optimisers, fmax comes first
        self,
        fmax: float = Limits.position_tolerance,
        steps: int = Limits.steps,
        cell_max: float = Limits.cell_tolerance,
    ) -> bool:
        """Steps until the network hardly moves the crystal any more.

        Args:
            fmax: Å, how far the network would still move an atom within the cell.
            steps: at most so many.
            cell_max: the largest principal strain that it would still ask for, dimensionless.

        Returns:
            Whether both tolerances are met.

        Raises:
            InputError: the network's motion is not finite, or the cell has become one that can't be handled.
        """
        return list(self.irun(fmax, steps, cell_max))[-1]

    def irun(  # type: ignore[override]
        self,
        fmax: float = Limits.position_tolerance,
        steps: int = Limits.steps,
        cell_max: float = Limits.cell_tolerance,
    ) -> Iterator[bool]:
        """`run` as a generator that stops after every step, with the first state before any.

        Args:
            fmax: see `run`.
            steps: see `run`.
            cell_max: see `run`.

        Yields:
            Whether the crystal has arrived.
        """
        limits = Limits(real_number("fmax", fmax), real_number("cell_max", cell_max), steps)
        self.fmax, self.cell_max = limits.position_tolerance, limits.cell_tolerance
        self.max_steps = self.nsteps + limits.steps
        self.status, self.reason = "", ""
        if self.nsteps == 0:
            self.log()
            self.call_observers()
        while True:
            arrived = self._has_arrived()
            yield arrived
            if self.status or not self.step():
                return
            self.nsteps += 1
            self.log()
            self.call_observers()
            self._write_state()

    def step(self) -> bool:
        """Follows the network's motion once; False, and nothing moves, where the volume would leave its bounds."""
        crystals, motion = self._motion()
        moved = crystals.move(self._shortened(crystals, motion))
        ratio = float(moved.volume) / self._first_volume
        if not 1 / self.volume_factor < ratio < self.volume_factor:
            self.status, self.reason = VOLUME, f"the volume left the factor {self.volume_factor:g}"
            return False
        write_into(self._crystal, moved)
        return True

    def converged(self, forces: Any = None, *, gradient: Any = None) -> bool:
        """Whether the crystal, as it is now, is valid and meets the tolerances of the last run.

        Args:
            forces: what ASE passes; not needed.
            gradient: likewise.
        """
        return self._is_still() and check_atoms(self._crystal) is None

    def gradient_converged(self, gradient: Any = None) -> bool:
        """`converged`, as newer versions of ASE ask for it.

        Args:
            gradient: what ASE passes; not needed.
        """
        return self.converged()

    def size(self) -> tuple[float, float]:
        """How far the network would move an atom now (Å), and the largest principal strain that it would ask for."""
        farthest, strain = size_of(*self._motion())
        return float(farthest), float(strain)

    def log(self, gradient: Any = None) -> None:
        """Writes a line: step, time, volume (Å³), fmax (Å) and strain.

        Args:
            gradient: what ASE passes; not needed.
        """
        name, (farthest, strain) = type(self).__name__, self.size()
        if self.nsteps == 0:
            head = f"{' ' * len(name)}  Step     Time   Volume[A^3]  fmax[A]   strain\n"
            self.logfile.write(head)
        clock, volume = time.strftime("%H:%M:%S"), self._crystal.cell.volume
        self.logfile.write(f"{name}:  {self.nsteps:3d} {clock} {volume:13.4f} {farthest:8.4f} {strain:8.4f}\n")

    def todict(self) -> dict[str, Any]:
        """What a trajectory says of how it was made, in ASE's words."""
        return {
            "type": "optimization",
            "optimizer": type(self).__name__,
            "model": self.relaxer.name,
            "fmax": self.fmax,
            "cell_max": self.cell_max,
            "max_steps": self.max_steps,
            "maxstep": self.maxstep,
        }

    def read(self) -> None:
        """Reads the restart file: steps so far, and the first volume.

        Raises:
            InputError: it is none.
        """
        path = Path(str(self.restart))
        try:
            state = json.loads(path.read_text(encoding="utf-8"))
            self.nsteps, self._first_volume = int(state["nsteps"]), float(state["first_volume"])
        except (OSError, ValueError, KeyError, TypeError):
            raise InputError(f"{path} is no restart file of a {type(self).__name__}; delete it to begin anew") from None

    def _symmetrise(self) -> None:
        if self._freedom.symmetry is not None:
            write_into(self._crystal, self._freedom.symmetry.symmetrised(crystals_from_atoms([self._crystal])))

    def _has_arrived(self) -> bool:
        """Whether it has converged; where the run ends here, the status and the reason are set."""
        # What ASE's genetic algorithms attach replaces `converged` by a function of one argument.
        arrived, last = bool(self.converged(None)), self.nsteps >= self.max_steps
        invalid = check_atoms(self._crystal) if last or self._is_still() else None
        if invalid is not None:
            self.status, self.reason = INVALID, str(invalid)
        elif arrived:
            self.status = CONVERGED
        elif last:
            self.status, self.reason = OUT_OF_STEPS, f"still moving after {self.nsteps} steps"
        return arrived and invalid is None

    def _is_still(self) -> bool:
        farthest, strain = self.size()
        return farthest <= self.fmax and strain <= self.cell_max

    def _shortened(self, crystals: Crystals, motion: Tangent) -> Tangent:
        """The motion, in the same direction, within `maxstep`."""
        if self.maxstep is None:
            return motion
        farthest, strain = self.size()
        length = max(farthest, strain * float(torch.linalg.vector_norm(crystals.cell, dim=-1).max()))
        factor = min(1.0, self.maxstep / length) if length else 1.0
        return Tangent(factor * motion.displacement, factor * motion.strain)

    def _motion(self) -> tuple[Crystals, Tangent]:
        """The crystal and its free motion; the network is asked once for each state of the Atoms."""
        crystals = crystals_from_atoms([self._crystal])
        if self._known is None or not _same(crystals, self._known[0]):
            motion = self.relaxer.propose(crystals, self._freedom)
            if self._strains is not None:
                motion = Tangent(motion.displacement, self._strains.apply(motion.strain))
            if not bool(torch.isfinite(motion.displacement).all() and torch.isfinite(motion.strain).all()):
                raise InputError(f"{self.relaxer.name} gives a motion that is not finite")
            self._known = crystals, motion
        return self._known

    def _write_state(self) -> None:
        if self.restart is not None and self.comm.rank == 0:
            state = {"nsteps": self.nsteps, "first_volume": self._first_volume}
            write_text(Path(self.restart), json.dumps(state))


def _same(a: Crystals, b: Crystals) -> bool:
    fields = ("cell", "scaled_positions", "numbers")
    return all(torch.equal(getattr(a, name), getattr(b, name)) for name in fields)
