"""What `asegen models --test` does."""

from __future__ import annotations

from pathlib import Path

from asegen.data.shards import load_split
from asegen.models.checkpoint import read_tensors, write_tensors
from asegen.trained.predictor import load_predictor, measure
from asegen.trained.weights import find_weights


def measure_model(name: str, data: Path, record: bool) -> dict[str, float]:
    """The figures of a property network on the split "test".

    Args:
        name: of shipped weights, or a path.
        data: folder of splits.
        record: write the figures into the file's header.

    Raises:
        InputError: no such model or split, or a model that predicts no properties.
        CheckpointError: weights that can't be read.
    """
    figures = measure(load_predictor(name, "cpu"), load_split(data, "test"))
    if record:
        header, tensors = read_tensors(find_weights(name))
        write_tensors(find_weights(name), tensors, {**header, "test": figures})
    return figures
