"""A whole screening in one call: stages from options, the run, and the files and page that people open."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from asegen.criteria.criterion import Wanted
from asegen.errors import AsegenError, InputError
from asegen.parallel.workforce import Workforce
from asegen.screening.exports import export
from asegen.screening.inputs import AtHand, Disordered
from asegen.screening.options import EMPNN, MP, Options, Reference, check_inputs
from asegen.screening.pipeline import run_stages
from asegen.screening.registry import recipe
from asegen.screening.report import write_report
from asegen.screening.result import Result
from asegen.screening.workers import memory_of_worker, number_of_jobs
from asegen.structures.given import Structure, as_atoms, disordered_cif, one_or_several


def screen(
    structures: Structure | Path | str | Sequence[Structure | Path | str],
    workdir: Path | str,
    calculator: str = "chgnet",
    *,
    stages: str | Sequence[str] | None = None,
    relaxer: str | None = EMPNN,
    device: str = "auto",
    fmax: float = 0.05,
    steps: int = 500,
    optimizer: str = "bfgs",
    keep_symmetry: bool = False,
    symprec: float = 0.1,
    order: bool = False,
    reference: Reference = MP,
    energy_scale: str | None = None,
    materials_project: bool = False,
    fit_references: bool = False,
    cache: Path | str | None = None,
    best: int = 10,
    second_opinion: str | None = None,
    phonons_by: str | None = None,
    check_size: bool = False,
    job_script: Path | str | None = None,
    pseudopotentials: Path | str | None = None,
    time_limit: float = 3600.0,
    pressure: float = 0.0,
    targets: Wanted = (),
    jobs: int | None = None,
    memory: float | None = None,
    workforce: Workforce | None = None,
) -> list[Result]:
    """Finds the few candidates that deserve DFT; goes on with what its folder holds, whatever ended an earlier call.

    The folder holds results.csv with every input, results.extxyz and results.db with the ranked candidates, and
    report.html where jinja2 and plotly are installed; they are written anew as the work goes on. More structures may be
    given to a later call.

    Args:
        structures: crystals, as Atoms or pymatgen's Structures; files of structures, or folders of them; one or
            several, mixed as you like.
        workdir: folder of the screening, begun or gone on with.
        calculator: "chgnet", "sevennet", another key of `asegen.potentials.registry.POTENTIALS`, or `module:object` for
            any other calculator of ASE.
        stages: names of those of `asegen.screening.registry.STAGES` that are wanted, in a list or joined by commas;
            "default" for all but the optional ones; None for those.
        relaxer: learned pre-relaxation: "empnn", a shipped relaxer's name, a file of weights, or None for none.
        device: of the pre-relaxation: "auto", "cpu", "cuda" …
        fmax: eV/Å, when a relaxation with the calculator has arrived.
        steps: most of its steps.
        optimizer: "bfgs", which FIRE relieves where it fails, or "fire" from the start.
        keep_symmetry: space groups stay in the relaxation.
        symprec: Å, tolerance of the space groups.
        order: CIFs with partial occupancies are ordered, by Ewald energy, not refused.
        reference: "mp": the shipped hull of the Materials Project; "none": the elements and each other alone; a file of
            known crystals and phases (what is new, what competes), which adds to the hull; ["none", file]: it alone.
        energy_scale: of energies in it that don't name theirs, such as "MP2020".
        materials_project: competing phases from there too, with the key in MP_API_KEY.
        fit_references: energies of the elements are fitted to a calculator that comes without them (752 single points,
            once), so that its candidates can be placed above the shipped hull.
        cache: folder of the elements' energies, shared between screenings; one of the user's without it.
        best: how many candidates get a second opinion, phonons and inputs for DFT; new crystals before known ones.
        second_opinion: another calculator, which relaxes the best candidates, too.
        phonons_by: the calculator of the phonons and of the stage `elastic`; without it phonons are by `calculator` and
            by `second_opinion`, elastic constants by `calculator`.
        check_size: phonons with a larger supercell too.
        job_script: template of the job scripts in folders of DFT inputs, see `asegen.screening.stages.job_scripts`.
        pseudopotentials: of Quantum ESPRESSO's inputs: a folder, or JSON of names by element; `X.upf` without it.
        time_limit: seconds, for one relaxation.
        pressure: GPa: relaxations, ranking and hull are at it, with `reference="none"` or a file of crystals.
        targets: ranges of properties, such as ["band_gap=1..2"] or {"band_gap": (1, 2)}; candidates outside of them
            get no phonons and no inputs for DFT.
        jobs: single-threaded worker processes on this machine; as many as there are free cores without it.
        memory: GiB that each of them may have; an equal share of 80 % of the machine's without it.
        workforce: another executor instead, see `asegen.parallel.cluster`.

    Returns:
        One result for each input: the ranked first, best in front, then the others as they came. `result["e_hull"]` is
        a column of results.csv; `pandas.DataFrame(results)` is the table.

    Raises:
        InputError: an argument without meaning, no input that can be read, or a folder of another screening.
        AsegenError: the calculator's package is missing, the disk is full, or the workers ended.
    """
    options = Options(
        calculator=calculator,
        stages=stages,
        relaxer=relaxer,
        device=device,
        fmax=fmax,
        steps=steps,
        optimizer=optimizer,
        keep_symmetry=keep_symmetry,
        symprec=symprec,
        order=order,
        reference=reference,
        energy_scale=energy_scale,
        materials_project=materials_project,
        fit_references=fit_references,
        cache=cache,
        best=best,
        second_opinion=second_opinion,
        phonons_by=phonons_by,
        check_size=check_size,
        job_script=job_script,
        pseudopotentials=pseudopotentials,
        time_limit=time_limit,
        pressure=pressure,
        targets=targets,
    )
    inputs = [_input(given) for given in one_or_several(structures)]
    if not inputs:
        raise InputError("structures = []: at least one, or a file, is needed", "structures")
    check_inputs([given for given in inputs if isinstance(given, Path | str)], workdir)
    number = number_of_jobs(jobs)
    found = run_stages(
        inputs,
        workdir,
        recipe(options),
        jobs=number,
        memory=memory_of_worker(memory, number),
        workforce=workforce,
        publish=publish,
    )
    publish(workdir)
    return found


def _input(given: object) -> Path | str | AtHand:
    """What was given as `register` takes it: a structure that is no crystal yet has to end with a status, too."""
    if isinstance(given, Path | str):
        return given
    cif = disordered_cif(given)
    return as_atoms(given) if cif is None else Disordered(cif)


def publish(workdir: Path | str) -> AsegenError | None:
    """Writes the tables, the structures and the report of a screening.

    Args:
        workdir: its folder.

    Returns:
        Why there is no report, None where there is one; all else stands without it.
    """
    export(Path(workdir))
    try:
        write_report(workdir)
    except AsegenError as error:
        return error
    return None
