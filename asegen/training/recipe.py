"""Recipes: what to train, on what, for how long. TOML in, validated dataclasses out."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from asegen.arguments import listed, whole_number
from asegen.errors import InputError
from asegen.models.arguments import arguments_of
from asegen.training.registry import MODELS, TASKS, model_class, task_class

PRECISIONS = ("32-true", "bf16-mixed")
_MAX_DEPTH = 8


@dataclass(frozen=True)
class DataOptions:
    """Which crystals, and how many at once.

    Attributes:
        max_atoms: larger crystals are left out.
        atom_budget: padded atoms per batch (largest crystal's atoms × crystals).
        targets: columns of the data that the task is given; crystals that lack one are left out.
    """

    max_atoms: int = 20
    atom_budget: int = 3000
    targets: tuple[str, ...] = ()


@dataclass(frozen=True)
class OptimizerOptions:
    """AdamW with linear warm-up, a constant rate, and a linear decay to zero, or lower rates at plateaus.

    Attributes:
        learning_rate: the constant rate.
        weight_decay: AdamW's.
        beta2: AdamW's second moment.
        steps: optimiser steps in all.
        warmup_steps: steps of the warm-up.
        decay_fraction: share of `steps` over which the rate falls to zero at the end; 0 keeps it constant.
        clip: largest norm of the gradient.
        ema: decay per step of the averaged weights, which are the ones that are kept.
        plateau_factor: what the rate is multiplied with where `plateau_patience` validations in a row were no better;
            1 leaves it as it is. See `torch.optim.lr_scheduler.ReduceLROnPlateau`.
        plateau_patience: validations without a better one before that.
        lowest_rate: the run ends when plateaus have lowered the rate to this.
    """

    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    beta2: float = 0.99
    steps: int = 10_000
    warmup_steps: int = 200
    decay_fraction: float = 0.5
    clip: float = 1.0
    ema: float = 0.999
    plateau_factor: float = 1.0
    plateau_patience: int = 25
    lowest_rate: float = 0.0


@dataclass(frozen=True)
class Recipe:
    """A validated recipe.

    Attributes:
        name: the recipe's name.
        model: class name, a key of `registry.MODELS`.
        model_options: its constructor's arguments.
        task: class name, a key of `registry.TASKS`.
        task_options: its constructor's arguments that are not statistics of the data.
        data: see `DataOptions`.
        optimizer: see `OptimizerOptions`.
        precision: Lightning's word: "32-true" or "bf16-mixed".
        compile: pass the network through `torch.compile`.
        seed: of weights, batches and noise.
        validate_every: steps between validations and checkpoints.
    """

    name: str
    model: str
    task: str
    model_options: dict[str, Any] = field(default_factory=dict)
    task_options: dict[str, Any] = field(default_factory=dict)
    data: DataOptions = field(default_factory=DataOptions)
    optimizer: OptimizerOptions = field(default_factory=OptimizerOptions)
    precision: str = "32-true"
    compile: bool = False
    seed: int = 0
    validate_every: int = 500

    def as_written(self) -> dict[str, Any]:
        """The recipe as checkpoints hold it; the format calls the task "process"."""
        return {key.replace("task", "process"): value for key, value in dataclasses.asdict(self).items()}


def shipped_recipes() -> list[str]:
    """Names of the recipes inside the package."""
    folder = resources.files("asegen.training") / "recipes"
    return sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))


def load_recipe(
    name_or_path: str | Path,
    steps: int | None = None,
    seed: int | None = None,
    precision: str | None = None,
    targets: str | Sequence[str] = (),
) -> Recipe:
    """Reads a recipe, shipped by name or from a TOML file.

    A file that names another recipe with `extends` takes over every entry that it doesn't have itself.

    Args:
        name_or_path: a shipped recipe's name, or a path.
        steps: overrides `optimizer.steps`.
        seed: overrides `seed`.
        precision: overrides `precision`.
        targets: overrides `data.targets`; several, or one.

    Raises:
        InputError: no such recipe, not TOML, an unknown or ill-typed entry (named), or a task without its targets.
    """
    name_or_path = str(name_or_path)
    table = read_table(name_or_path)
    if targets:
        table = _merged(table, {"data": {"targets": listed(targets)}})
    if steps is not None:
        table = _merged(table, {"optimizer": {"steps": whole_number("steps", steps)}})
    if seed is not None:
        table = table | {"seed": whole_number("seed", seed)}
    if precision is not None:
        table = table | {"precision": precision}
    return recipe_from_table(Path(name_or_path).stem, table)


def read_table(name_or_path: str, depth: int = 0) -> dict[str, Any]:
    """A recipe's table, with what it extends; not validated.

    Args:
        name_or_path: a shipped recipe's name, or a path.
        depth: by how many recipes it is extended.

    Raises:
        InputError: no such recipe, not TOML, or one that extends itself.
    """
    if name_or_path in shipped_recipes():
        text = (resources.files("asegen.training") / "recipes" / f"{name_or_path}.toml").read_text()
    else:
        try:
            text = Path(name_or_path).read_text()
        except OSError:
            known = ", ".join(shipped_recipes())
            raise InputError(f"no recipe {name_or_path!r}; shipped: {known}; or the path of a TOML file") from None
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"recipe {name_or_path}: {error}") from None
    below = table.pop("extends", None)
    if below is None:
        return table
    if depth == _MAX_DEPTH:
        raise InputError(f"recipe {name_or_path} extends a recipe that extends another … more than {depth} times")
    place = below if below in shipped_recipes() else str(Path(name_or_path).parent / str(below))
    return _merged(read_table(place, depth + 1), table)


def _merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Two recipes' tables in one, section by section; the second wins."""
    sections = {k: {**below.get(k, {}), **v} for k, v in above.items() if isinstance(v, dict)}
    return {**below, **above, **sections}


def recipe_from_table(name: str, table: dict[str, Any]) -> Recipe:
    """Validates a recipe's table (as parsed from TOML).

    Raises:
        InputError: an unknown or ill-typed entry (named).
    """
    table = dict(table)
    model, model_options = _class_options(table.pop("model", None), "model", MODELS)
    task, task_options = _class_options(table.pop("task", None), "task", TASKS)
    data = _options(DataOptions, table.pop("data", {}), "data")
    optimizer = _options(OptimizerOptions, table.pop("optimizer", {}), "optimizer")
    rest = _options(_RunOptions, table, "recipe")
    if rest.precision not in PRECISIONS:
        raise InputError(f"precision = {rest.precision!r} is not one of {', '.join(PRECISIONS)}")
    for key, value in (("[optimizer] steps", optimizer.steps), ("validate_every", rest.validate_every)):
        if value < 1:
            raise InputError(f"{key} = {value}: at least 1 is needed")
    model_accepts = _check_arguments(model_class(model), model_options, "model")
    _check_arguments(task_class(task), task_options, "task")
    labels = task_class(task).labels
    if not data.targets and labels in ("targets", "site targets"):
        raise InputError(f"{task} learns columns of the data: targets names them, here or in [data]", "targets")
    if len(data.targets) > 1 and "outputs" in model_accepts:
        model_options.setdefault("outputs", len(data.targets))
    if labels == "site targets" and "per_site" in model_accepts:
        model_options.setdefault("per_site", True)
    return Recipe(name, model, task, model_options, task_options, data, optimizer, **dataclasses.asdict(rest))


@dataclass(frozen=True)
class _RunOptions:
    precision: str = "32-true"
    compile: bool = False
    seed: int = 0
    validate_every: int = 500


def _class_options(table: Any, where: str, known: Collection[str]) -> tuple[str, dict[str, Any]]:
    """A class's name and its options, as written."""
    if not isinstance(table, dict) or table.get("class") not in known:
        raise InputError(f"[{where}] needs class = one of {', '.join(known)}")
    return table["class"], {key: value for key, value in table.items() if key != "class"}


def _check_arguments(kind: type, options: Collection[str], where: str) -> Collection[str]:
    """The names of a class's arguments, which options have to be among."""
    accepted = arguments_of(kind)
    for key in options:
        if key not in accepted:
            raise InputError(f"[{where}] {key} is not an argument of {kind.__name__}: {', '.join(accepted)}")
    return accepted


def _options(kind: type, table: Any, where: str) -> Any:
    if not isinstance(table, dict):
        raise InputError(f"[{where}] is not a table")
    fields = {f.name: f for f in dataclasses.fields(kind)}
    table = {key: tuple(value) if isinstance(value, list) else value for key, value in table.items()}
    for key, value in table.items():
        if key not in fields:
            raise InputError(f"[{where}] {key} is unknown; known: {', '.join(fields)}")
        default = fields[key].default
        numeric = isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool)
        if type(value) is not type(default) and not numeric:
            raise InputError(f"[{where}] {key} = {value!r} is not of type {type(default).__name__}")
        if isinstance(value, int | float) and not isinstance(value, bool) and value < 0:
            raise InputError(f"[{where}] {key} = {value!r} is negative")
    return kind(**table)
