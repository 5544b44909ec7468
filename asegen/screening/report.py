"""The report of a screening: one HTML page that opens anywhere, without a network.

The page holds the table, the crystals, hulls and phonons as plain numbers, and plotly.js once; figures are drawn for
the row that is looked at, so a thousand rows open as quickly as ten.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from importlib import resources, util
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.data import covalent_radii
from ase.data.colors import jmol_colors
from pymatgen.core import Element

from asegen import __version__
from asegen.errors import AsegenError, InputError
from asegen.parallel.files import write_text
from asegen.screening.ledger import StageCount, funnel, provenance, read_atoms
from asegen.screening.records import OK, STATUSES
from asegen.screening.result import Result, columns, results
from asegen.screening.stages.eos import Eos, birch_murnaghan, read_equation_of_state
from asegen.screening.stages.hull_plots import DFT_HULLS, HULLS, read_plots
from asegen.screening.stages.opinions import AGREE
from asegen.screening.stages.phonon_results import STABLE, STABLE_ABOVE, UNSTABLE_BELOW, read_phonons
from asegen.screening.stages.thermal import Thermal, read_thermal_properties
from asegen.screening.stages.verdicts import (
    BELOW,
    KNOWN_COMPOSITION,
    KNOWN_CRYSTAL,
    LOWEST,
    UNKNOWN,
    WITHIN,
    counted,
    lacking_lines,
)
from asegen.structures.validity import standardised

PAGE = "report.html"
"""The page's name in a screening's folder, where its links to a candidate's files hold."""

_NEAR_HULL = 0.1  # eV/atom; half of the Materials Project's experimental phases lie within 0.02, nearly all within this
_HINTS = {
    BELOW: "More stable than the known phases by more than twice the mean error of the potential's formation energies",
    WITHIN: "Energy above the hull of the known phases and all candidates, at most twice its mean error",
    KNOWN_COMPOSITION: "The same, of compositions of which a stable compound is known",
    KNOWN_CRYSTAL: "The same, of crystals that are among the reference structures",
    UNKNOWN: "On the hull or near it, but most compounds of one of its elements are not among the known phases",
    LOWEST: "Lowest in energy among the elements, given phases and all candidates: known compounds are not among them",
}
_MOST_SHOWN = 400  # atoms of a conventional cell; a larger crystal is shown as it is
_MOST_ATOMS = 2000
_SYMPREC = 0.1  # Å
_POINTS = 60  # of a curve
_NOTHING: tuple[Any, ...] = (None, "", (), [], {})
_PROVENANCE = ("command", "begun", "machine")


def write_report(workdir: Path | str, out: Path | str | None = None) -> Path:
    """Writes the report of a screening as it is now, finished or not.

    Args:
        workdir: the screening's folder.
        out: of the page; `PAGE` in the folder without it.

    Returns:
        The page's path.

    Raises:
        InputError: the folder holds no screening, or the page can't be written.
        AsegenError: jinja2 or plotly is missing.
    """
    place = Path(workdir)
    page = place / PAGE if out is None else Path(out)
    if missing := [name for name in ("jinja2", "plotly") if util.find_spec(name) is None]:
        raise AsegenError(f"{' and '.join(missing)} not installed: pip install asegen[screen]")
    text = _render(place)
    try:
        write_text(page, text)
    except OSError as error:
        raise InputError(f"cannot write {page}: {error.strerror}") from None
    return page


def _render(workdir: Path) -> str:
    from jinja2 import Environment, StrictUndefined
    from plotly.offline import get_plotlyjs

    found, counts, made = results(workdir), funnel(workdir), provenance(workdir)
    crystals = {result.id: _crystal(workdir, result) for result in found}
    elements = sorted({symbol for crystal in crystals.values() if crystal for symbol in crystal["symbols"]})
    data = {
        "columns": [asdict(column) for column in columns(workdir)],
        "rows": [_row(result) for result in found],
        "crystals": {id: crystal for id, crystal in crystals.items() if crystal},
        "elements": {symbol: _look(symbol) for symbol in elements},
        "hulls": _hulls(workdir / HULLS),
        "dft_hulls": _hulls(workdir / DFT_HULLS),
        "phonons": _drawn(workdir, found, "phonons", _phonons),
        "second_phonons": _drawn(workdir, found, "second_phonons", _phonons),
        "eos": _drawn(workdir, found, Eos.name, _equation_of_state),
        "thermal": _drawn(workdir, found, Thermal.name, _thermal),
        "limits": {"stable": STABLE_ABOVE, "unstable": UNSTABLE_BELOW},
    }
    folder = resources.files("asegen.screening") / "report_page"
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string((folder / "page.html").read_text("utf-8")).render(
        title=workdir.absolute().name,
        version=__version__,
        facts=_facts(found, counts),
        statuses=[(status, n) for status in STATUSES if (n := sum(r.status == status for r in found))],
        stages=[_stage(count, max(counts[0].entered, 1)) for count in counts],
        made=made,
        told=[(key, made[key]) for key in _PROVENANCE if made.get(key)],
        lacking=lacking_lines(made.get("hull_lacking") or {}, most=100),
        models=_models(made.get("stages", {})),
        css=(folder / "page.css").read_text("utf-8"),
        script=(folder / "page.js").read_text("utf-8"),
        plotly=get_plotlyjs().replace("</script", "<\\/script"),
        data=_embedded(data),
    )


def _embedded(data: Any) -> str:
    """JSON that no browser takes for the end of its script element, whatever a user's files hold."""
    return json.dumps(data, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c").replace("\u2028", "\\u2028")


def _row(result: Result) -> dict[str, Any]:
    """What the table and the panel say of a candidate; what is empty is left out."""
    return {key: value for key, value in result.items() if not (value in _NOTHING or _is_no_number(value))}


def _is_no_number(value: Any) -> bool:
    return isinstance(value, float) and not isfinite(value)


def _crystal(workdir: Path, result: Result) -> dict[str, Any] | None:
    """The conventional cell: rows of `cell` in Å, fractional `positions`, and for each atom an index into `symbols`."""
    atoms = read_atoms(workdir, result.id)
    if atoms is None or not 0 < len(atoms) <= _MOST_ATOMS:
        return None
    shown = _conventional(atoms)
    symbols = list(dict.fromkeys(shown.symbols))
    return {
        "cell": np.round(shown.cell.array, 4).tolist(),
        "positions": np.round(shown.get_scaled_positions(), 5).tolist(),
        "symbols": symbols,
        "species": [symbols.index(symbol) for symbol in shown.symbols],
    }


def _conventional(atoms: Atoms) -> Atoms:
    # spglib ends the process on NaN
    finite = np.isfinite(atoms.cell.array).all() and np.isfinite(atoms.get_scaled_positions()).all()
    found = standardised(atoms, _SYMPREC, idealise=False, to_primitive=False) if finite else None
    return atoms if found is None or len(found) > _MOST_SHOWN else found


def _look(symbol: str) -> dict[str, Any]:
    """Colour (Jmol's, a little softer), covalent radius (Å) and whether it is a metal."""
    element = Element(symbol)
    red, green, blue = (round(40 + 200 * float(part)) for part in jmol_colors[min(element.Z, len(jmol_colors) - 1)])
    radius = round(float(covalent_radii[element.Z]), 3)
    return {"color": f"rgb({red},{green},{blue})", "radius": radius, "metal": bool(element.is_metal)}


def _hulls(file: Path) -> dict[str, list[Any]]:
    """Chemical system, such as "Cl-Na" -> its plots, one for each energy scale."""
    found: dict[str, list[Any]] = {}
    for plot in read_plots(file) if file.is_file() else []:
        found.setdefault("-".join(plot.elements), []).append(_rounded(asdict(plot)))
    return found


def _drawn(workdir: Path, found: Sequence[Result], kind: str, read: Callable[[Path], dict[str, Any]]) -> dict[str, Any]:
    """Candidate -> what a figure of it needs, read from its folder of a kind of artifacts."""
    plots = {}
    for result in found:
        folder = result.artifacts.get(kind)
        try:
            plot = read(workdir / folder) if folder else {}
        except (OSError, ValueError, KeyError, TypeError):  # the user has moved it
            plot = {}
        if plot:
            plots[result.id] = _rounded(plot)
    return plots


def _phonons(folder: Path) -> dict[str, Any]:
    phonons = read_phonons(folder)
    return asdict(phonons) if phonons.bands else {}


def _equation_of_state(folder: Path) -> dict[str, Any]:
    """Points and curve: Å³/atom, and meV/atom above the minimum."""
    equation = read_equation_of_state(folder)
    volumes = np.linspace(equation.volumes[0], equation.volumes[-1], _POINTS)
    points, curve = np.array(equation.energies), birch_murnaghan(equation, volumes)
    above = [(1000 * (energies - equation.energy)).tolist() for energies in (points, curve)]
    return {"volumes": equation.volumes, "energies": above[0], "curve_volumes": volumes.tolist(), "curve": above[1]}


def _thermal(folder: Path) -> dict[str, Any]:
    """K, meV/atom and J/(K mol) of atoms."""
    rows = read_thermal_properties(folder)
    return {
        "temperature": [row.temperature for row in rows],
        "free_energy": [1000 * row.free_energy for row in rows],
        "heat_capacity": [row.heat_capacity for row in rows],
    }


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, Mapping):
        return {key: _rounded(item) for key, item in value.items()}
    return [_rounded(item) for item in value] if isinstance(value, list | tuple) else value


def _facts(found: Sequence[Result], counts: Sequence[StageCount]) -> list[tuple[str, str, str]]:
    """Number, what it counts, and a sentence on it."""
    ranked = [result for result in found if result.is_ranked]
    above = [result["e_hull"] for result in ranked if result.status == OK and result["e_hull"] is not None]
    facts = [
        (f"{len(found):,}", "inputs", "Every entry of every input file"),
        (f"{len(ranked):,}", "ranked", "Distinct crystals, relaxed; unconverged ones are ranked apart"),
    ]
    if above:
        near = sum(energy <= _NEAR_HULL for energy in above)
        facts += [
            (f"{count:,}", word, _HINTS[word])
            for count, word in counted(result["hull_verdict"] for result in ranked)
            if word in _HINTS
        ]
        facts.append((f"{near:,}", f"within {_NEAR_HULL:g} eV/atom", "Energy above the hull, those on it included"))
    if any(result["novel"] is not None for result in ranked):
        facts.append((f"{sum(bool(result['novel']) for result in ranked):,}", "novel", "In no reference structure"))
    if opinions := [result["opinions"] for result in ranked if result["opinions"]]:
        differ = sum(word != AGREE for word in opinions)
        facts.append(
            (f"{differ:,} of {len(opinions):,}", "opinions differ", "Two potentials disagree beyond their errors")
        )
    verdicts = Counter(result["phonons"] for result in ranked if result["phonons"])
    if verdicts:
        total = sum(verdicts.values())
        facts.append((f"{verdicts[STABLE]:,} of {total:,}", "phonons stable", "Lowest frequency above -0.1 THz"))
    facts.append((_duration(sum(count.seconds for count in counts)), "of computing", "Worker time of all stages"))
    return facts


def _stage(count: StageCount, total: int) -> dict[str, Any]:
    """A bar of the funnel: its parts as per cents of all inputs."""
    parts = [("left", count.left), *count.stopped.items(), ("waiting", count.waiting)]
    return {
        "name": count.stage,
        "entered": count.entered,
        "left": count.left,
        "parts": [(name, n, round(100 * n / total, 3)) for name, n in parts if n],
        "time": _duration(count.seconds),
    }


def _duration(seconds: float) -> str:
    """Such as "0.4 s", "12 s", "3 min 20 s" or "2 h 05 min"."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600:,} h {whole % 3600 // 60:02d} min"


def _models(stages: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Stages, and the identity, with its hash, of the model or calculator that they use."""
    users: dict[str, list[str]] = {}
    for stage, settings in stages.items():
        for key in ("model", "calculator"):
            if settings.get(key):
                users.setdefault(str(settings[key]), []).append(stage)
    return [(", ".join(names), identity) for identity, names in users.items()]
