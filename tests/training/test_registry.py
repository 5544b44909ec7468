"""Names of networks and tasks lead to classes that fit what is said of them."""

import inspect
from typing import get_args

import pytest
from torch import nn

from asegen.data.labels import Labels
from asegen.training.registry import (
    GENERATORS,
    MODELS,
    PREDICTORS,
    RELAXERS,
    SCORES,
    SYMMETRIC_GENERATORS,
    TASKS,
    model_class,
    task_class,
)
from asegen.training.task import Task

ARGUMENTS = {"none": [], "targets": ["targets"], "site targets": ["targets"], "symmetry": ["orbits", "numbers"]}


def test_models() -> None:
    for name in MODELS:
        assert issubclass(model_class(name), nn.Module) and model_class(name).__name__ == name


def test_tasks_are_given_what_they_ask_for() -> None:
    assert set(ARGUMENTS) == set(get_args(Labels))
    for name in TASKS:
        task: type[Task] = task_class(name)
        own = ARGUMENTS[task.labels]
        assert task.__name__ == name
        assert list(inspect.signature(task.statistics).parameters) == ["crystals", *own]
        assert list(inspect.signature(task.loss).parameters) == ["self", "model", "crystals", "generator", *own]


def test_what_a_network_is_for_is_a_task() -> None:
    for name in {*GENERATORS, *SYMMETRIC_GENERATORS, *SCORES}:
        assert hasattr(task_class(name), "sample")
    for name in PREDICTORS:
        assert hasattr(task_class(name), "predict")
    assert set(RELAXERS) <= set(TASKS)


def test_an_unknown_name() -> None:
    with pytest.raises(KeyError):
        model_class("Unknown")
