"""What a run starts with: statistics, elements and weights, of the data or of weights that were trained before."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from asegen.errors import InputError
from asegen.models.checkpoint import load_weights
from asegen.training.recipe import Recipe
from asegen.training.registry import task_class
from asegen.training.splits import Split


def task_options_of(recipe: Recipe, header: dict[str, Any], split: Split) -> dict[str, Any]:
    """The arguments of a run's task.

    Args:
        recipe: of the run; its options win.
        header: of the weights that it starts from, empty without any.
        split: the training data.

    Returns:
        The recipe's options, and statistics: the weights' if they did the same task, else the data's.

    Raises:
        InputError: the data doesn't suit the task.
    """
    statistics = task_class(recipe.task).statistics(split.crystals, *split.labels)
    if header and _task(header["recipe"]) == _task(recipe.as_written()):
        statistics |= {name: header["process"][name] for name in statistics if name in header["process"]}
    return statistics | recipe.task_options


def known_elements(recipe: Recipe, header: dict[str, Any], split: Split, task_options: dict[str, Any]) -> list[int]:
    """Atomic numbers of which the network learned something; others are named as unsupported.

    Those of the weights that the run starts from count too, but not where the task has a fit by composition that is
    this data's alone.

    Args:
        recipe: of the run.
        header: of the weights that it starts from, empty without any.
        split: the training data.
        task_options: see `task_options_of`.
    """
    own = set(split.crystals.numbers.unique().tolist())
    if header and ("elements" not in task_options or _task(header["recipe"]) == _task(recipe.as_written())):
        own |= set(header.get("elements", []))
    return sorted(own)


def initialise(network: nn.Module, recipe: Recipe, header: dict[str, Any], tensors: dict[str, Tensor]) -> None:
    """Starts from weights; of another class of networks, whatever fits by name and shape is taken over.

    A part that a network of the same class has and the weights lack keeps its initial values, and so do heads that give
    another number of outputs.

    Args:
        network: the recipe's, new.
        recipe: of the run.
        header: of the weights.
        tensors: the weights.

    Raises:
        InputError: nothing fits.
        CheckpointError: weights of the same class that don't fit.
    """
    theirs, own = header["model"]["class"], network.state_dict()
    if theirs == recipe.model:
        other = {n for n, t in tensors.items() if n.startswith("heads.") and n in own and own[n].shape != t.shape}
        tensors = own | {name: t for name, t in tensors.items() if name not in other}
    else:
        fitting = {name: t for name, t in tensors.items() if name in own and own[name].shape == t.shape}
        if not fitting:
            raise InputError(f"the weights to start from are of {theirs}, which shares nothing with {recipe.model}")
        tensors = own | fitting
    load_weights(network, tensors, header["name"])


def _task(recipe: dict[str, Any]) -> tuple[str, list[str]]:
    return recipe["process"], list(recipe["data"].get("targets", ()))
