"""What `asegen predict` does once its arguments are checked."""

from __future__ import annotations

import csv
import json
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import numpy as np
from ase import Atoms
from rich.markup import escape
from rich.table import Table

from asegen.calculators.property import OK, predict
from asegen.cli.progress import ProgressBar
from asegen.cli.terminal import message_console, output_console, print_table, results_table, told_apart
from asegen.errors import InputError
from asegen.parallel.cells import csv_cell
from asegen.parallel.files import replacing
from asegen.structures.atoms import Structure, read_files
from asegen.structures.formats import files_in, path_text
from asegen.structures.writing import extxyz_text
from asegen.trained.predictor import PropertyPredictor, load_predictor

ROWS = 20
_AT_ONCE = 512
DOUBTFUL = (0.2, 0.8)
"""Probabilities that a number is zero, such as the gap of a metal, between which its row is marked."""
_MARK = "?"
_SITES = 6  # values of atoms that the table shows


class Result(NamedTuple):
    """One structure of a file with what is predicted of it.

    Attributes:
        row: file, row, id, formula, n_atoms and status, in this order, then the values; a list of those of atoms.
        atoms: the structure, or None where it couldn't be read; values of atoms are among its arrays.
    """

    row: dict[str, Any]
    atoms: Atoms | None


class _Watch:
    """What is remembered of the results that pass by.

    Attributes:
        shown: the first ones, for the table.
        statuses: how many there are of each kind.
        failure: the first structure without a value, with its status; empty if there is none.
        largest: atoms of the largest structure with a value.
    """

    def __init__(self) -> None:
        self.shown: list[Result] = []
        self.statuses: Counter[str] = Counter()
        self.failure, self.largest = "", 0

    def pass_on(self, results: Iterable[Result], bar: ProgressBar) -> Iterator[Result]:
        """The results themselves, each counted."""
        for result in results:
            row, status = result.row, result.row["status"]
            self.statuses[status.partition(":")[0]] += 1
            if status == OK:
                self.largest = max(self.largest, row["n_atoms"])
            elif not self.failure:
                self.failure = f"{row['file']}, row {row['row']} ({row['id']}): {status}"
            if len(self.shown) < ROWS:
                self.shown.append(result)
            bar.advance()
            yield result


def run_prediction(inputs: Sequence[Path], model: str, device: str, out: Path | None) -> None:
    """Predicts as the command line asks.

    Args:
        inputs: files and folders of structures.
        model: name or path of weights.
        device: where the network computes.
        out: where the values go, if anywhere; its name tells the format.

    Raises:
        InputError: bad files; nothing can be predicted of the only structure, or of any.
        CheckpointError: weights that can't be read.
    """
    predictor, watch = load_predictor(model, device), _Watch()
    with ProgressBar("predicting") as bar:
        results = watch.pass_on(_results(inputs, predictor), bar)
        if out is None:
            deque(results, maxlen=0)
        else:
            _write(out, results, _columns(predictor))
    total = sum(watch.statuses.values())
    if not watch.statuses[OK]:
        raise InputError(watch.failure if total == 1 else f"none of {total} structures can be judged; {watch.failure}")
    if watch.largest > predictor.max_atoms:
        trained = f"{path_text(model)} was trained on at most {predictor.max_atoms}"
        message_console().print(f"note: cells of up to {watch.largest} atoms; {trained}", markup=False, soft_wrap=True)
    _show(watch, predictor, model, out)


def _columns(predictor: PropertyPredictor) -> list[str]:
    return [name for column in predictor.columns for name in (column, f"{column}_std")]


def _results(files: Sequence[Path], predictor: PropertyPredictor) -> Iterator[Result]:
    paths = [file for path in files for file in files_in(path)]
    structures, names = read_files(paths), _names(paths)
    empty = True
    while part := list(islice(structures, _AT_ONCE)):
        empty = False
        readable = [s.atoms for _, s in part if isinstance(s.atoms, Atoms)]
        found = iter(predict(readable, predictor))
        for file, structure in part:
            yield _result(names[file], structure, found)
    if empty:
        raise InputError(f"{', '.join(str(file) for file in files)[:200]}: no structures")


def _names(files: Sequence[Path]) -> dict[Path, str]:
    """What each file is called in the results: its name, or its path where files of several folders have that name."""
    places = set(files)
    times = Counter(file.name for file in places)
    return {file: path_text(file.name if times[file.name] == 1 else file) for file in places}


def _result(file: str, structure: Structure, found: Iterator[Any]) -> Result:
    row: dict[str, Any] = {"file": file, "row": structure.row, "id": structure.id}
    if not isinstance(structure.atoms, Atoms):
        return Result({**row, "formula": "", "n_atoms": "", "status": str(structure.atoms)}, None)
    predicted = next(found)
    row |= {"formula": structure.atoms.get_chemical_formula("metal"), "n_atoms": len(structure.atoms)}
    sites = {name: values.tolist() for name, values in predicted.site_values.items()}
    return Result({**row, "status": predicted.status, **predicted.values, **sites}, structure.atoms)


# -- output ------------------------------------------------------------------------------------------------------------


def _write(out: Path, results: Iterable[Result], columns: Sequence[str]) -> None:
    """Writes OUT, which appears whole or not at all."""
    with replacing(out) as beside, beside.open("w", encoding="utf-8", newline="") as file:
        {".csv": _write_csv, ".json": _write_json, ".extxyz": _write_extxyz}[out.suffix](file, results, columns)


def _write_csv(file: TextIO, results: Iterable[Result], columns: Sequence[str]) -> None:
    names = ["file", "row", "id", "formula", "n_atoms", "status", *columns]
    writer = csv.DictWriter(file, names, restval="", lineterminator="\n")
    writer.writeheader()
    for result in results:
        writer.writerow({key: json.dumps(v) if isinstance(v, list) else csv_cell(v) for key, v in result.row.items()})


def _write_json(file: TextIO, results: Iterable[Result], columns: Sequence[str]) -> None:
    file.write("[")
    for k, result in enumerate(results):
        file.write(",\n " if k else "\n ")
        file.write(json.dumps(result.row))
    file.write("\n]\n")


def _write_extxyz(file: TextIO, results: Iterable[Result], columns: Sequence[str]) -> None:
    """Frames; what couldn't be read is an empty frame that holds its status, so that no row is lost.

    A number of the file's own that is called as a predicted one would be taken for a prediction where there is none.
    """
    for result in results:
        atoms = Atoms() if result.atoms is None else result.atoms.copy()
        for name in columns:
            atoms.info.pop(name, None)
            atoms.arrays.pop(name, None)
        for key, value in result.row.items():
            if isinstance(value, list):
                atoms.set_array(key, np.array(value))
            elif value != "":
                atoms.info[key] = value
        file.write(extxyz_text([atoms]))


def _show(watch: _Watch, predictor: PropertyPredictor, model: str, out: Path | None) -> None:
    console = output_console()
    says_nothing = ["status"] if set(watch.statuses) == {OK} else []
    print_table(console, _table(watch.shown, predictor), [*says_nothing, "formula"])
    if any(_is_doubtful(result.row, predictor) for result in watch.shown):
        low, high = DOUBTFUL
        name, probability = predictor.columns[0], predictor.zero_probability
        why = f"{probability} is {low} or more where {name} is not 0, or {high} or less where it is"
        why += f"; or {name} is less than its standard deviation"
        console.print(f"{_MARK} doubtful: {why}", markup=False, soft_wrap=True)
    total = sum(watch.statuses.values())
    if total > len(watch.shown):
        console.print(f"… and {total - len(watch.shown)} more")
    line = f"{total} structure{'' if total == 1 else 's'}{f' in {out}' if out else ''}: "
    line += f"{watch.statuses[OK]} by {path_text(model)}"
    reasons = ", ".join(f"{count} {kind}" for kind, count in watch.statuses.items() if kind != OK)
    console.print(line + (f"; without: {reasons}" if reasons else ""), markup=False, soft_wrap=True)


def _table(shown: Sequence[Result], predictor: PropertyPredictor) -> Table:
    columns = predictor.columns
    table = results_table("id", "formula", "status", *columns, numbers=columns)
    names = told_apart([(result.row["id"], result.row["file"], result.row["row"]) for result in shown])
    for name, result in zip(names, shown, strict=True):
        texts = [name, result.row["formula"], result.row["status"]]
        values = [_value(result.row, name) for name in columns]
        if _is_doubtful(result.row, predictor):
            values[0] += f" {_MARK}"
        table.add_row(*map(escape, texts), *values)
    return table


def _is_doubtful(row: Mapping[str, Any], predictor: PropertyPredictor) -> bool:
    """Whether a hurdle model can't tell well if the number is zero.

    A number that is less than its standard deviation is no less doubtful where zero is all but ruled out: silicon is
    surely no metal, and is given a gap of 0.006 ± 0.3 eV.
    """
    low, high = DOUBTFUL
    name = predictor.zero_probability
    if name is None or name not in row:
        return False
    value = row[predictor.columns[0]]
    if not value:
        return bool(row[name] <= high)
    return bool(row[name] >= low or value < row.get(f"{predictor.columns[0]}_std", 0.0))


def _value(row: Mapping[str, Any], name: str) -> str:
    if name not in row:
        return ""
    if isinstance(row[name], list):
        return ", ".join(f"{value:.2f}" for value in row[name][:_SITES]) + (" …" if len(row[name]) > _SITES else "")
    deviation = f" ± {row[f'{name}_std']:.3f}" if f"{name}_std" in row else ""
    return f"{row[name]:.4f}{deviation}"
