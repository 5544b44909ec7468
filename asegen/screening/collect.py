"""Reads the user's own DFT back into a screening: energies, hulls and ranks beside those of the potential.

What is read is kept in the ledger as a whole, and replaced by the next call; the screening itself goes on as before.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ase import Atoms
from pymatgen.core import Composition

from asegen.arguments import listed
from asegen.errors import InputError
from asegen.parallel.files import replacing
from asegen.screening.claims import Ledger
from asegen.screening.columns import as_json, merged
from asegen.screening.dft_columns import COLUMNS, FAILED, FINISHED
from asegen.screening.result import Result, columns, results
from asegen.screening.run import publish
from asegen.screening.stages.dft_hull import Energy, placed
from asegen.screening.stages.dft_outputs import read_run
from asegen.screening.stages.dft_run import DftRun
from asegen.screening.stages.hull_plots import DFT_HULLS, write_plots
from asegen.screening.stages.phase_diagram import Placement
from asegen.structures.formats import EXTXYZ
from asegen.structures.writing import write_structures

FOLDERS = ("vasp", "espresso")
"""Of a screening's folder, where nothing else is named."""
FRAMES = "dft.extxyz"
"""File of a screening's folder: the crystals as DFT left them, best first."""


@dataclass(frozen=True)
class Collected:
    """What was read back.

    Attributes:
        results: all inputs of the screening, those with a rank by DFT first.
        references: name -> what was read in folders that no candidate is called after.
    """

    results: list[Result]
    references: Mapping[str, DftRun]

    @property
    def counts(self) -> Counter[str]:
        """Status of the calculations -> candidates."""
        return Counter(str(result["dft_status"]) for result in self.results if result["dft_status"])


def collect(workdir: Path | str, folders: Path | str | Sequence[Path | str] = ()) -> Collected:
    """Reads outputs of DFT by the ids of candidates, and writes the screening's files anew.

    Args:
        workdir: the screening's folder.
        folders: one or several; each holds a folder for each candidate, called after its id, and for each reference
            phase (elements, known compounds), called as you like; as they are, or within the screening's folder. Those
            of `FOLDERS` that are there without it. Where a candidate is in several, the first that finished counts.

    Raises:
        InputError: the folder holds no screening, or one of the folders isn't there.
    """
    place = Path(workdir)
    found = {result.id: result for result in results(place)}
    runs = _runs([_folder(place, Path(folder)) for folder in listed(folders)] or [place / name for name in FOLDERS])
    candidates = {id: _checked(run, found[id]) for id, run in runs.items() if id in found}
    references = {name: run for name, run in runs.items() if name not in found}
    energies = _energies(candidates)
    placements, plots = placed(energies, _energies(references))
    values = _values(candidates, energies, placements, place)
    write_plots(place / DFT_HULLS, plots)
    with closing(Ledger(place)) as ledger:
        ledger.note(collected=values, columns=as_json(merged([columns(place), COLUMNS])))
    publish(place)
    told = results(place)
    told.sort(key=lambda result: (result["rank_dft"] is None, result["rank_dft"] or 0))  # else as before
    _write_crystals(told, candidates, place)
    return Collected(told, references)


def _folder(workdir: Path, given: Path) -> Path:
    for folder in (given, workdir / given):
        if folder.is_dir():
            return folder
    raise InputError(f"collect = {given}: there is no such folder, nor is it in {workdir}", "collect")


def _runs(folders: Iterable[Path]) -> dict[str, DftRun]:
    """Name of a folder -> what its outputs say; of several, the first that finished."""
    found: dict[str, DftRun] = {}
    for folder in (folder for folder in folders if folder.is_dir()):
        for place in sorted(child for child in folder.iterdir() if child.is_dir() and not child.name.startswith(".")):
            before = found.get(place.name)
            if before is None or before.status != FINISHED:
                run = read_run(place)
                if before is None or run.status == FINISHED or before.file is None:
                    found[place.name] = run
    return found


def _checked(run: DftRun, result: Result) -> DftRun:
    """A run of the candidate's own composition, or a failed one."""
    if run.atoms is None or _reduced(run.atoms) == Composition(result["formula"]).reduced_formula:
        return run
    return DftRun(FAILED, f"it is of {_reduced(run.atoms)}, not of {result['formula']}", file=run.file)


def _reduced(atoms: Atoms) -> str:
    return str(Composition(str(atoms.symbols)).reduced_formula)


def _values(
    candidates: Mapping[str, DftRun],
    energies: Mapping[str, Energy],
    placements: Mapping[str, Placement],
    workdir: Path,
) -> dict[str, dict[str, Any]]:
    """Id -> values by column."""
    lowest: dict[tuple[str, str], float] = {}
    for energy in energies.values():
        key = (energy.formula, energy.energy_scale)
        lowest[key] = min(lowest.get(key, energy.energy), energy.energy)
    ranks = {id: rank for rank, id in enumerate(sorted(energies, key=lambda id: _order(id, placements, energies)), 1)}
    found = {}
    for id, run in candidates.items():
        values: dict[str, Any] = {"dft_status": run.status, "dft_reason": run.reason or None}
        values["dft_output"] = None if run.file is None else _shown(run.file, workdir)
        if id in energies:
            energy, placement = energies[id], placements[id]
            values |= {
                "energy_dft": energy.energy,
                "energy_scale_dft": energy.energy_scale,
                "e_hull_dft": placement.e_hull,
                "e_hull_dft_reason": None if placement.reason is None else str(placement.reason),
                "decomposes_into_dft": placement.decomposes_into or None,
                "above_lowest_dft": energy.energy - lowest[energy.formula, energy.energy_scale],
                "rank_dft": ranks[id],
            }
        found[id] = values
    return found


def _energies(runs: Mapping[str, DftRun]) -> dict[str, Energy]:
    return {
        id: Energy(_reduced(run.atoms), run.energy, run.energy_scale)
        for id, run in runs.items()
        if run.atoms is not None and run.energy is not None
    }


def _order(
    id: str, placements: Mapping[str, Placement], energies: Mapping[str, Energy]
) -> tuple[bool, float, float, str]:
    e_hull = placements[id].e_hull
    return e_hull is None, e_hull or 0.0, energies[id].energy, id


def _shown(file: Path, workdir: Path) -> str:
    """A path relative to the screening's folder where it is in it."""
    file, workdir = file.absolute(), workdir.absolute()
    return str(file.relative_to(workdir) if file.is_relative_to(workdir) else file)


def _write_crystals(ranked: Sequence[Result], runs: Mapping[str, DftRun], workdir: Path) -> None:
    """Writes `FRAMES`; where nothing is finished there is none."""
    frames = []
    for result in ranked:
        if result["rank_dft"] is not None and (atoms := runs[result.id].atoms) is not None:
            atoms.info = {"candidate": result.id, "material_id": result.name}
            names = ("energy_dft", "e_hull_dft", "rank_dft", "energy_scale_dft", "rank", "e_hull")
            atoms.info |= {name: result[name] for name in names if result[name] is not None}
            frames.append(atoms)
    if not frames:
        (workdir / FRAMES).unlink(missing_ok=True)
        return
    with replacing(workdir / FRAMES) as beside:
        write_structures(frames, beside, EXTXYZ)
