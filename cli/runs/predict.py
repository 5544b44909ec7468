"""What `asegen predict` does once its arguments are read."""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import numpy as np
from ase import Atoms
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.progress import MofNCompleteColumn, Progress, SpinnerColumn, TextColumn
from rich.table import Table

from asegen.calculators.property import predict
from asegen.errors import InputError
from asegen.structures.atoms import Structure, StructureError, read_structures
from asegen.structures.writing import extxyz_text
from asegen.trained.predictor import PropertyPredictor, load_predictor
from asegen.trained.weights import shipped_weights

DEFAULT_PROPERTY = "formation_energy"
ROWS = 20
_AT_ONCE = 512
_SITES = 6  # values of atoms that the table shows
_PLAIN_WIDTH = 100  # characters, where there is no terminal to fill


class Result(NamedTuple):
    """One structure of a file with what is predicted of it.

    Attributes:
        row: file, row, id, formula, n_atoms and status, in this order, then the values; a list of those of atoms.
        atoms: the structure, or None where it couldn't be read; values of atoms are among its arrays.
    """

    row: dict[str, Any]
    atoms: Atoms | None


def run_prediction(args: argparse.Namespace) -> None:
    """Predicts as the command line asks.

    Raises:
        InputError: bad arguments or files; nothing can be predicted of the only structure, or of any.
        CheckpointError: weights that can't be read.
    """
    write = _writer(args.output, args.overwrite)
    predictor = load_predictor(find_model(args.model, args.property), args.device)
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    shown: list[Result] = []
    statuses: Counter[str] = Counter()
    first_failure: list[str] = []
    largest = 0

    def watched(results: Iterable[Result]) -> Iterator[Result]:
        nonlocal largest
        columns = SpinnerColumn(), TextColumn("structures"), MofNCompleteColumn(), TextColumn("{task.speed:.0f}/s")
        with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
            task = bar.add_task("", total=None, speed=0)
            for result in results:
                status = result.row["status"]
                statuses[status.partition(":")[0]] += 1
                if status == "ok":
                    largest = max(largest, result.row["n_atoms"])
                else:
                    name = f"{result.row['file']}, row {result.row['row']} ({result.row['id']})"
                    first_failure.append(f"{name}: {status}")
                if len(shown) < ROWS:
                    shown.append(result)
                bar.advance(task)
                yield result

    write(watched(_results(args.input, predictor)), _columns(predictor))
    total = sum(statuses.values())
    if not statuses["ok"]:
        raise InputError(
            first_failure[0] if total == 1 else f"none of {total} structures can be judged; {first_failure[0]}"
        )
    if largest > predictor.max_atoms:
        console.print(
            f"note: cells of up to {largest} atoms; {predictor.name} was trained on at most {predictor.max_atoms}",
            markup=False,
        )
    _show(shown, predictor, statuses, args.output)


def find_model(model: str, wanted: str | None) -> str:
    """The name or path of weights: `model` itself, or `<model>-<property>`.

    Raises:
        InputError: there are none of that name.
    """
    if model in shipped_weights() or Path(model).is_file():
        return model
    name = f"{model}-{(wanted or DEFAULT_PROPERTY).replace('_', '-')}"
    if name not in shipped_weights():
        raise InputError(f"no model {name!r}: `asegen models` lists what is shipped; --model also takes a file")
    return name


def _columns(predictor: PropertyPredictor) -> list[str]:
    return [name for column in predictor.columns for name in (column, f"{column}_std")]


def _results(files: Sequence[Path], predictor: PropertyPredictor) -> Iterator[Result]:
    structures = _structures(files)
    empty = True
    while part := list(islice(structures, _AT_ONCE)):
        empty = False
        readable = [s.atoms for _, s in part if isinstance(s.atoms, Atoms)]
        found = iter(predict(readable, predictor))
        for file, structure in part:
            yield _result(file, structure, found)
    if empty:
        raise InputError(f"{', '.join(str(file) for file in files)[:200]}: no structures")


def _structures(files: Sequence[Path]) -> Iterator[tuple[Path, Structure]]:
    """The structures of all files; where one of several files, or the rest of one, can't be read, a row says so."""
    for file in files:
        rows = 0
        try:
            for structure in read_structures(file):
                rows += 1
                yield file, structure
        except InputError as error:
            if rows == 0 and len(files) == 1:
                raise
            yield file, Structure(rows, file.name, StructureError(f"unreadable: {error}"), {})


def _result(file: Path, structure: Structure, found: Iterator[Any]) -> Result:
    row: dict[str, Any] = {"file": file.name, "row": structure.row, "id": structure.id}
    if not isinstance(structure.atoms, Atoms):
        return Result({**row, "formula": "", "n_atoms": "", "status": str(structure.atoms)}, None)
    predicted = next(found)
    row |= {"formula": structure.atoms.get_chemical_formula("metal"), "n_atoms": len(structure.atoms)}
    sites = {name: values.tolist() for name, values in predicted.site_values.items()}
    return Result({**row, "status": predicted.status, **predicted.values, **sites}, structure.atoms)


# -- output ------------------------------------------------------------------------------------------------------------


def _writer(out: Path | None, overwrite: bool) -> Any:
    """A function of results and columns that writes OUT, which appears whole or not at all."""
    if out is None:
        return lambda results, columns: [None for _ in results]
    writers = {".csv": _write_csv, ".json": _write_json, ".extxyz": _write_extxyz}
    if out.suffix not in writers:
        raise InputError(f"{out}: unknown format {out.suffix!r}; use .csv, .json or .extxyz")
    if out.exists() and not overwrite:
        raise InputError(f"{out} exists: --overwrite replaces it")
    if not out.parent.is_dir():
        raise InputError(f"{out}: there is no folder {out.parent}")

    def write(results: Iterable[Result], columns: Sequence[str]) -> None:
        partial = out.with_name(out.name + ".partial")
        try:
            with partial.open("w", encoding="utf-8", newline="") as file:
                writers[out.suffix](file, results, columns)
            os.replace(partial, out)
        finally:
            partial.unlink(missing_ok=True)

    return write


def _write_csv(file: TextIO, results: Iterable[Result], columns: Sequence[str]) -> None:
    names = ["file", "row", "id", "formula", "n_atoms", "status", *columns]
    writer = csv.DictWriter(file, names, restval="", lineterminator="\n")
    writer.writeheader()
    for result in results:
        writer.writerow({key: json.dumps(v) if isinstance(v, list) else v for key, v in result.row.items()})


def _write_json(file: TextIO, results: Iterable[Result], columns: Sequence[str]) -> None:
    file.write("[")
    for k, result in enumerate(results):
        file.write(",\n " if k else "\n ")
        file.write(json.dumps(result.row))
    file.write("\n]\n")


def _write_extxyz(file: TextIO, results: Iterable[Result], columns: Sequence[str]) -> None:
    """Frames; what couldn't be read is an empty frame that holds its status, so that no row is lost."""
    for result in results:
        atoms = Atoms() if result.atoms is None else result.atoms.copy()
        for key, value in result.row.items():
            if isinstance(value, list):
                atoms.set_array(key, np.array(value))
            elif value != "":
                atoms.info[key] = value
        file.write(extxyz_text([atoms]))


def _show(shown: Sequence[Result], predictor: PropertyPredictor, statuses: Mapping[str, int], out: Path | None) -> None:
    console = Console(highlight=False, width=None if sys.stdout.isatty() else _PLAIN_WIDTH)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("id", "formula", "status"):
        table.add_column(name)
    for name in predictor.columns:
        table.add_column(name, justify="right", no_wrap=True)
    for result in shown:
        texts = [result.row["id"], result.row["formula"], result.row["status"]]
        table.add_row(*map(escape, texts), *(_value(result.row, name) for name in predictor.columns))
    console.print(table)
    total = sum(statuses.values())
    if total > len(shown):
        console.print(f"… and {total - len(shown)} more")
    line = f"{total} structure{'' if total == 1 else 's'}{f' in {out}' if out else ''}: "
    line += f"{statuses['ok']} by {predictor.name}"
    reasons = ", ".join(f"{count} {kind}" for kind, count in statuses.items() if kind != "ok")
    console.print(line + (f"; without: {reasons}" if reasons else ""), markup=False, soft_wrap=True)


def _value(row: Mapping[str, Any], name: str) -> str:
    if name not in row:
        return ""
    if isinstance(row[name], list):
        return ", ".join(f"{value:.2f}" for value in row[name][:_SITES]) + (" …" if len(row[name]) > _SITES else "")
    deviation = f" ± {row[f'{name}_std']:.3f}" if f"{name}_std" in row else ""
    return f"{row[name]:.4f}{deviation}"
