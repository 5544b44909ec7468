"""The stages that judge relaxed candidates: the hull of all, then what costs more for the best of them."""

from __future__ import annotations

import os
import shutil
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from ase import Atoms
from pymatgen.core import Composition

from asegen.errors import AsegenError, InputError
from asegen.potentials.engine import Engine
from asegen.screening.claims import Ledger
from asegen.screening.hull import CANDIDATE, Phase, place, write_plots
from asegen.screening.known import digest
from asegen.screening.ledger import OK, candidate_id, ranking_key
from asegen.screening.materials_project import materials_project
from asegen.screening.phonons import Settings, phonons
from asegen.screening.records import Candidate, Outcome
from asegen.screening.references import Reference, computed, element_reference, read_reference
from asegen.screening.stage import Runner, Stage, is_of_the_disk

HULLS, PHONONS, VASP = "hulls.json", "phonons", "vasp"
"""Names in a screening's folder: the hulls' plots; folders with one for each candidate's phonons and DFT inputs."""
_MOST_PHONON_SECONDS = 12 * 3600.0


@dataclass(frozen=True)
class Hull(Stage):
    """Places all candidates above the hull of the elements, of a user's phases, and of each other.

    Attributes:
        engine: the calculator of the candidates' energies.
        cache: folder of the elements' energies, which many screenings may share.
        reference: file of competing phases, see `asegen.screening.references.read_reference`.
        energy_scale: of its energies, where they don't name theirs.
        online: ask the Materials Project too, with the key in MP_API_KEY.
    """

    name: ClassVar[str] = "hull"
    splits: ClassVar[bool] = False
    engine: Engine
    cache: Path
    reference: Path | None = None
    energy_scale: str | None = None
    online: bool = False

    def settings(self) -> dict[str, Any]:
        """Not the folders."""
        return {
            "calculator": self.engine.identity,
            "energy_scale": self.engine.energy_scale,
            "reference": None if self.reference is None else digest(self.reference),
            "reference_scale": self.energy_scale,
            "materials_project": self.online,
        }

    def check(self, ledger: Ledger) -> None:
        """Reads the competing phases before anything else is done."""
        if self.online and not os.environ.get("MP_API_KEY"):
            raise InputError("the Materials Project needs your key: set MP_API_KEY")
        if self.reference is not None and ledger.known("competing") is None:
            table = read_reference(self.reference, self.energy_scale)
            ledger.note(
                competing=[asdict(phase) for phase in table.phases],
                competing_problems=list(table.problems),
                competing_structures=len(table.structures),
            )

    def groups(self, candidates: Sequence[Candidate]) -> list[list[int]]:
        """All together: they compete with each other."""
        keys = [candidate.key for candidate in candidates if candidate.found.get("energy") is not None]
        return [keys] if keys else []

    def prepare(self, ledger: Ledger, run: Runner) -> None:
        """Computes the elements, and competing phases that came without energies, or fetches phases, once."""
        if ledger.known("hull_phases") is not None:
            return
        formulas = {candidate.found["formula"] for candidate in ledger.candidates(self.name)}
        systems = {frozenset(Composition(formula).chemical_system.split("-")) for formula in formulas}
        symbols = sorted(set().union(*systems))
        function = partial(element_reference, engine=self.engine, cache=self.cache)
        elements = _references(symbols, run(function, symbols))
        phases = [Phase(**row) for row in ledger.known("competing") or []]
        others: list[Reference] = []
        if ledger.known("competing_structures"):
            assert self.reference is not None
            given = read_reference(self.reference, self.energy_scale).structures
            inside = [(name, atoms) for name, atoms in given if any(set(atoms.symbols) <= system for system in systems)]
            others = _references([name for name, _ in inside], run(partial(_computed, engine=self.engine), inside))
        if self.online:
            phases += materials_project(systems)
        phases += [found.phase for found in (*elements, *others) if found.phase is not None]
        ledger.note(
            hull_phases=[asdict(phase) for phase in phases],
            hull_missing={found.id: found.reason for found in elements if found.phase is None},
            hull_problems=[found.reason for found in others if found.phase is None],
        )

    def supply(self, ledger: Ledger, members: Sequence[int]) -> tuple[Path, list[Phase], dict[str, str]]:
        """The screening's folder, the known phases, and why elements have none."""
        known = [Phase(**row) for row in ledger.known("hull_phases")]
        return ledger.workdir, known, ledger.known("hull_missing")

    def work(
        self, candidates: Sequence[Candidate], supplied: tuple[Path, list[Phase], dict[str, str]]
    ) -> list[Outcome]:
        """An energy above the hull for each, or a reason why there is none; the plots are written."""
        workdir, known, missing = supplied
        phases = [
            Phase(
                id=candidate_id(candidate.key),
                formula=candidate.found["formula"],
                energy=candidate.found["energy"],
                energy_scale=candidate.found["energy_scale"],
                kind=CANDIDATE,
                shapes=candidate.status == OK,
            )
            for candidate in candidates
        ]
        placements, plots = place(phases, known, missing)
        write_plots(workdir / HULLS, plots)
        return [
            Outcome(
                found={
                    "e_hull": placement.e_hull,
                    "e_known": placement.e_known,
                    "e_hull_reason": placement.reason,
                    "formation_energy": placement.formation_energy,
                    "decomposition": placement.decomposition,
                }
            )
            for placement in placements
        ]

    def seconds(self, members: int) -> float | None:
        """As long as it takes."""
        return None

    def gave_up(self, candidate: Candidate, status: str, reason: str) -> Outcome:
        """No energy above the hull, but all else stands."""
        return Outcome(found={"e_hull_reason": f"no hull: {reason}"})


class _OfTheBest(Stage):
    """For the best candidates alone, one by one, with the screening's folder at hand.

    Attributes:
        best: how many.
    """

    best: int

    def groups(self, candidates: Sequence[Candidate]) -> list[list[int]]:
        """One by one."""
        return [[key] for key in best(candidates, self.best)]

    def supply(self, ledger: Ledger, members: Sequence[int]) -> Path:
        """The screening's folder."""
        return ledger.workdir

    def work(self, candidates: Sequence[Candidate], supplied: Path) -> list[Outcome]:
        """What was found of each, or a note why nothing was; the candidate stands either way."""
        return [self._one(candidate, supplied) for candidate in candidates]

    @abstractmethod
    def _one(self, candidate: Candidate, workdir: Path) -> Outcome:
        """What is found of a candidate."""


@dataclass(frozen=True)
class Phonons(_OfTheBest):
    """Dynamic stability of the best candidates.

    Attributes:
        engine: the calculator.
        best: how many.
        options: see `asegen.screening.phonons.Settings`.
    """

    name: ClassVar[str] = "phonons"
    engine: Engine
    best: int = 10
    options: Settings = field(default_factory=Settings)

    def settings(self) -> dict[str, Any]:
        """Not how many: a later run may ask for more."""
        return {"calculator": self.engine.identity, **asdict(self.options)}

    def seconds(self, members: int) -> float | None:
        """Half a day."""
        return _MOST_PHONON_SECONDS

    def gave_up(self, candidate: Candidate, status: str, reason: str) -> Outcome:
        """No verdict."""
        return Outcome(found={"phonons": "", "phonons_reason": reason})

    def _one(self, candidate: Candidate, workdir: Path) -> Outcome:
        assert candidate.atoms is not None  # it has been relaxed
        folder = Path(PHONONS) / candidate_id(candidate.key)
        shutil.rmtree(workdir / folder, ignore_errors=True)  # of a try that was killed
        try:
            found = phonons(candidate.atoms, self.engine.calculator(), workdir / folder, self.options)
        except Exception as error:  # every calculator fails in its own way
            if is_of_the_disk(error):
                raise
            text = " ".join(str(error).split())[:200]
            return self.gave_up(candidate, "", f"{type(error).__name__}: {text}")
        values = {"phonons": found.verdict, "phonons_reason": found.reason, "lowest_frequency": found.lowest}
        return Outcome(found=values | {"artifacts": {"phonons": os.fspath(folder)}})


@dataclass(frozen=True)
class HandOff(_OfTheBest):
    """Inputs of VASP and GPAW for the best candidates.

    Attributes:
        best: how many.
        options: of the displaced cells.
    """

    name: ClassVar[str] = "vasp"
    best: int = 10
    options: Settings = field(default_factory=Settings)

    def settings(self) -> dict[str, Any]:
        """Not how many: a later run may ask for more."""
        return asdict(self.options)

    def seconds(self, members: int) -> float | None:
        """Supercells take a while."""
        return 600.0

    def gave_up(self, candidate: Candidate, status: str, reason: str) -> Outcome:
        """No inputs."""
        return Outcome(found={"notes": [f"no DFT inputs: {reason}"]})

    def _one(self, candidate: Candidate, workdir: Path) -> Outcome:
        assert candidate.atoms is not None  # it has been relaxed
        folder = Path(VASP) / candidate_id(candidate.key)
        partial = workdir / f"{folder}.partial"
        for old in (partial, workdir / folder):  # of a try that was killed
            shutil.rmtree(old, ignore_errors=True)
        from asegen.screening.vasp import write_inputs  # takes a second, which only workers need

        try:
            write_inputs(candidate.atoms, partial, self.options)
        except InputError as error:
            shutil.rmtree(partial, ignore_errors=True)
            return self.gave_up(candidate, "", str(error))
        os.replace(partial, workdir / folder)
        return Outcome(found={"artifacts": {"vasp": os.fspath(folder)}})


def best(candidates: Sequence[Candidate], number: int) -> list[int]:
    """Keys of the candidates that rank first; unconverged ones are not among them."""
    good = [candidate for candidate in candidates if candidate.status == OK]
    good.sort(key=lambda c: (ranking_key(*(c.found.get(name) for name in ("e_hull", "e_known", "energy"))), c.key))
    return sorted(candidate.key for candidate in good[:number])


def _references(names: Sequence[str], found: Sequence[Reference | Exception]) -> list[Reference]:
    """References, where a worker died over one with a reason instead; what the user can mend is raised."""
    for answer in found:
        if isinstance(answer, AsegenError):
            raise answer
    return [
        Reference(name, None, f"{name}: {answer}") if isinstance(answer, Exception) else answer
        for name, answer in zip(names, found, strict=True)
    ]


def _computed(named: tuple[str, Atoms], engine: Engine) -> Reference:
    return computed(*named, engine)
