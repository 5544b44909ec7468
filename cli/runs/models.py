"""What `asegen models` does once its arguments are read."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.markup import escape

from asegen.cli.terminal import output_console, print_table, results_table
from asegen.models.header import read_model_header
from asegen.trained.weights import find_weights, shipped_weights

_NAME_WIDTH = 30  # characters; the path of a file of weights may be long
_PLAIN_WIDTH = 120  # characters, where there is no terminal to fill


def list_models(names: Sequence[str], test: Path | None, record: bool, as_json: bool) -> None:
    """Prints models and their figures.

    Raises:
        InputError: no such model or split, or a model that predicts no properties is to be measured.
        CheckpointError: weights that can't be read.
    """
    rows = []
    for name in names or shipped_weights():
        path = find_weights(name)
        rows.append(_described(name, path, None if test is None else _measured(name, test, record)))
    if as_json:
        sys.stdout.write(json.dumps(rows, indent=1) + "\n")
    else:
        _print(rows)


def _measured(name: str, test: Path, record: bool) -> dict[str, float]:
    """Figures on the split "test" of a folder."""
    from asegen.data.index import read_index

    read_index(test, "test")
    from asegen.cli.runs.measure import measure_model  # loads torch, which the list of models doesn't need

    return measure_model(name, test, record)


def _print(rows: Sequence[Mapping[str, Any]]) -> None:
    table = results_table("name", "network", "columns", "atoms ≤", "test")
    table.columns[0].max_width = _NAME_WIDTH
    table.columns[0].no_wrap = all(len(row["name"]) <= _NAME_WIDTH for row in rows)  # it is copied into commands
    for row in rows:
        values = [row["name"], row["network"], ", ".join(row["columns"]) or row["task"], row["max_atoms"]]
        measured = _figures(row["test"], row["columns"]) or row["card"]
        table.add_row(*(escape(str(value)) for value in (*values, measured)))
    print_table(output_console(_PLAIN_WIDTH), table, ("atoms ≤", "network", "columns"))


def _figures(figures: Mapping[str, float], columns: Sequence[str]) -> str:
    """In one line; a single column isn't named again, nor what the card tells about its standard deviation."""
    prefix = f"{columns[0]} " if len(columns) == 1 else ""
    kept = {key.removeprefix(prefix): v for key, v in figures.items() if not key.endswith((" std", " correlation"))}
    crystals = f"{kept.pop('crystals'):.0f} crystals" if kept else ""
    return ", ".join([*(f"{key} {value:.3g}" for key, value in kept.items()), crystals])


def _described(name: str, path: Path, figures: dict[str, float] | None) -> dict[str, Any]:
    header = read_model_header(path, "elements", "max_atoms", "recipe")
    card = path.with_suffix(".md")
    return {
        "name": name,
        "network": header["model"]["class"],
        "task": header["process"]["class"],
        "columns": list(header["recipe"]["data"].get("targets", [])),
        "max_atoms": header["max_atoms"],
        "elements": len(header["elements"]),
        "steps": header["steps"],
        "MiB": round(path.stat().st_size / 2**20, 1),
        "test": header.get("test", {}) if figures is None else figures,
        "history": header.get("history", {}),
        "card": f"see {card.name}" if card.exists() else "",
    }
