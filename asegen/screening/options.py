"""What a screening can be asked for, checked before anything heavy is imported."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from asegen.arguments import check_model, check_path, listed, real_number, whole_number
from asegen.criteria.criterion import Wanted, read_criteria
from asegen.errors import InputError
from asegen.structures.tolerance import check_symprec

EMPNN, NO_RELAXER = "empnn", "none"
"""Names of the pre-relaxation: the shipped network, and none."""
MP, NONE = "mp", "none"
"""Names of references: the shipped hull of the Materials Project, and none."""
MOST_STEPS = 100_000
"""Of a relaxation: what needs more has gone wrong."""

Reference = Path | str | Sequence[Path | str] | None
"""What `Options.reference` can be; None is "none"."""


@dataclass(frozen=True)
class Options:
    """Of a screening.

    Attributes:
        calculator: see `asegen.potentials.engine.find_engine`.
        stages: names of those that are wanted, in any order, `read` is always there; "default" stands for all but the
            optional ones; None for those.
        relaxer: of the pre-relaxation: "empnn", the shipped one; a shipped relaxer's name or a file of weights; None or
            "none" for no pre-relaxation.
        device: of the pre-relaxation: "auto", "cpu", "cuda" …
        fmax: eV/Å, when a relaxation with the calculator has arrived.
        steps: most of its steps.
        optimizer: "bfgs", which FIRE relieves where it fails, or "fire" from the start.
        keep_symmetry: space groups stay in it.
        symprec: Å, tolerance of the space groups.
        order: CIFs with partial occupancies are ordered, not refused.
        reference: what candidates are measured against: "mp", the shipped hull of the Materials Project; "none", the
            elements and each other alone; a file of known crystals, to tell the new from the known, and of competing
            phases (see `asegen.screening.stages.references.read_reference`), which adds to the hull; or ["none", file]
            for the file alone.
        energy_scale: of energies in it that don't name theirs.
        materials_project: competing phases from there too, with the key in MP_API_KEY.
        fit_references: energies of the elements are fitted to a calculator that comes without them, once, so that its
            candidates can be placed above the shipped hull.
        cache: folder of the elements' energies, shared between screenings; one of the user's without it.
        best: how many candidates get a second opinion, phonons and inputs for DFT; new crystals before known ones.
        second_opinion: another calculator, which relaxes the best candidates, too.
        phonons_by: the calculator of the phonons and of the stage `elastic`; without it phonons are by `calculator` and
            by `second_opinion`, elastic constants by `calculator`.
        check_size: phonons with a larger supercell too.
        job_script: template of the job scripts in folders of DFT inputs, see `asegen.screening.stages.job_scripts`.
        pseudopotentials: of Quantum ESPRESSO's inputs: a folder, or JSON of names by element; `X.upf` without it.
        time_limit: seconds, for one relaxation.
        pressure: GPa; all relaxations are at it, and enthalpies take the place of energies. References at zero pressure
            (the shipped hull, energies in a file, the Materials Project) don't go with it.
        targets: ranges of properties, see `asegen.criteria.criterion.read_criteria`.

    Raises:
        InputError: a number without meaning, a file that isn't there, or no key.
    """

    calculator: str = "chgnet"
    stages: str | Sequence[str] | None = None
    relaxer: str | None = EMPNN
    device: str = "auto"
    fmax: float = 0.05
    steps: int = 500
    optimizer: str = "bfgs"
    keep_symmetry: bool = False
    symprec: float = 0.1
    order: bool = False
    reference: Reference = MP
    energy_scale: str | None = None
    materials_project: bool = False
    fit_references: bool = False
    cache: Path | str | None = None
    best: int = 10
    second_opinion: str | None = None
    phonons_by: str | None = None
    check_size: bool = False
    job_script: Path | str | None = None
    pseudopotentials: Path | str | None = None
    time_limit: float = 3600.0
    pressure: float = 0.0
    targets: Wanted = ()

    def __post_init__(self) -> None:
        read_criteria(self.targets)
        if isinstance(self.stages, str):
            object.__setattr__(self, "stages", tuple(name.strip() for name in self.stages.split(",")))
        check_model("relaxer", self.relaxer)
        for name in ("steps", "best"):
            object.__setattr__(self, name, whole_number(name, getattr(self, name)))
        for name in ("fmax", "symprec", "time_limit", "pressure"):
            object.__setattr__(self, name, real_number(name, getattr(self, name)))
        for name in ("fmax", "steps", "time_limit"):
            value = getattr(self, name)
            if not value > 0:
                raise InputError(f"{name} = {value:g}: must be greater than 0", name)
            if value == math.inf:
                raise InputError(f"{name} = {value:g}: must be finite", name)
        check_symprec(self.symprec)
        if self.steps > MOST_STEPS:
            raise InputError(f"steps = {self.steps}: {MOST_STEPS} at most", "steps")
        if self.best < 0:
            raise InputError(f"best = {self.best}: must not be negative", "best")
        files = self._reference_files
        if len(files) > 1:
            raise InputError(f"reference = {', '.join(map(str, files))}: one file at most", "reference")
        if files and not files[0].is_file():
            raise InputError(f"reference = {files[0]}: there is no such file; nor is it {MP} or {NONE}", "reference")
        if self.fit_references and not self.wants_hull:
            raise InputError("fit_references: goes with the shipped hull, which reference leaves out", "fit_references")
        if self.second_opinion == self.calculator:
            raise InputError(f"second_opinion = {self.calculator}: that is the first one, too", "second_opinion")
        for name in ("job_script", "pseudopotentials"):
            path = getattr(self, name)
            if path is not None and not Path(path).exists():
                raise InputError(f"{name} = {path}: there is no such file", name)
        self._check_pressure()
        if self.materials_project and not os.environ.get("MP_API_KEY"):
            message = "materials_project: the Materials Project needs your key, set MP_API_KEY"
            raise InputError(message, "materials_project")

    def _check_pressure(self) -> None:
        if not 0 <= self.pressure < math.inf:
            wrong = f"pressure = {self.pressure:g}: a number of GPa that isn't negative is needed"
            raise InputError(wrong, "pressure")
        if self.pressure and self.wants_hull:
            raise InputError(f"reference = {MP}: that hull is at zero pressure; {NONE} leaves it out", "reference")
        if self.pressure and self.materials_project:
            raise InputError("materials_project: its phases are at zero pressure", "materials_project")

    @property
    def reference_file(self) -> Path | None:
        """The file of known crystals."""
        return next(iter(self._reference_files), None)

    @property
    def wants_hull(self) -> bool:
        """Whether the shipped hull is among the references."""
        return NONE not in self._references

    @property
    def _references(self) -> list[Path | str]:
        return listed(NONE if self.reference is None else self.reference)

    @property
    def _reference_files(self) -> list[Path]:
        return [Path(given) for given in self._references if given not in (MP, NONE)]

    @property
    def prerelaxes(self) -> bool:
        """Whether a relaxer is wanted."""
        return self.relaxer not in (None, NO_RELAXER)

    @property
    def model(self) -> str | None:
        """The relaxer's name or file; None for the shipped one."""
        return None if self.relaxer == EMPNN else self.relaxer


def check_inputs(files: Sequence[Path | str], workdir: Path | str) -> None:
    """Refuses a screening of which no file is there, before anything is begun.

    Args:
        files: of structures, and folders of them.
        workdir: folder of the screening; where there is one, its ledger may hold what the files held.

    Raises:
        InputError: none of the files is there, or the folder is no path.
    """
    check_path("workdir", workdir, "a folder")
    if files and not Path(workdir).exists() and not any(Path(path).exists() for path in files):
        raise InputError(f"cannot read {files[0]}: there is no such file")
