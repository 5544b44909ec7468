"""How good generated crystals are."""

from asegen.metrics.evaluation import METRICS, Evaluation, Measurement, evaluate

__all__ = ["METRICS", "Evaluation", "Measurement", "evaluate"]
