"""Figures by which predictions are judged."""

from __future__ import annotations

import torch
from torch import Tensor


def number_figures(name: str, value: Tensor, deviation: Tensor, target: Tensor) -> dict[str, float]:
    """Errors of a number, and how well their predicted standard deviations fit.

    Args:
        name: of the number.
        value: (n,), predicted.
        deviation: (n,), predicted standard deviation of the error.
        target: (n,).

    Returns:
        Mean absolute error; share of errors within one and two standard deviations (0.68 and 0.95 of normally
        distributed ones); Spearman's rank correlation of error and deviation.
    """
    error = (value - target).abs()
    return {
        f"{name} MAE": float(error.mean()),
        f"{name} within 1 std": float((error <= deviation).float().mean()),
        f"{name} within 2 std": float((error <= 2 * deviation).float().mean()),
        f"{name} rank correlation": _spearman(error, deviation),
    }


def _spearman(a: Tensor, b: Tensor) -> float:
    return float(torch.corrcoef(torch.stack([_ranks(a), _ranks(b)]))[0, 1])


def _ranks(values: Tensor) -> Tensor:
    """(n,), float64, from 1; equal values share the mean of their ranks."""
    _, place, count = values.unique(return_inverse=True, return_counts=True)
    return (count.cumsum(0) - (count - 1) / 2).double()[place]


def class_figures(probability: Tensor, belongs: Tensor) -> dict[str, float]:
    """How well a class is told.

    Args:
        probability: (n,), predicted.
        belongs: (n,), bool.

    Returns:
        Accuracy on the whole, in the class and outside; F1 of the class; area under the ROC curve.
    """
    said = probability > 0.5
    both = (said & belongs).sum()
    place = _ranks(probability)[belongs].sum()
    inside, outside = int(belongs.sum()), int((~belongs).sum())
    return {
        "accuracy": float((said == belongs).float().mean()),
        "accuracy in the class": float(said[belongs].float().mean()),
        "accuracy outside": float((~said[~belongs]).float().mean()),
        "F1": float(2 * both / (said.sum() + belongs.sum())),
        "ROC area": float((place - inside * (inside + 1) / 2) / max(inside * outside, 1)),
    }
