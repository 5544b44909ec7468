"""A trained property network and its task, ready to predict: what training made, as predictions use it."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from asegen.crystals.crystals import Crystals
from asegen.data.labels import Labels
from asegen.data.shards import CrystalDataset
from asegen.errors import CheckpointError, InputError
from asegen.properties.classification import Classification
from asegen.properties.figures import class_figures, number_figures
from asegen.properties.hurdle import HurdleRegression
from asegen.properties.log_regression import LogRegression
from asegen.properties.moments import SiteMoments, alignment
from asegen.properties.regression import Prediction, Regression, calibration
from asegen.trained.loading import load_trained, pick_device
from asegen.trained.weights import find_weights
from asegen.training.recipe import DataOptions
from asegen.training.registry import PREDICTORS
from asegen.training.splits import Split, fitting_split

MAX_ATOMS_AT_ONCE = 2000

Task = Regression | HurdleRegression | Classification | SiteMoments


class PropertyPredictor:
    """Predicts properties of batches of crystals.

    Args:
        header: of a checkpoint.
        model: its network.
        task: its task.
        device: where both compute.

    Attributes:
        name: the model's name.
        targets: columns of the training data.
        columns: what it predicts: the targets; "probability" of a classification; of a hurdle model its target and the
            probability that this is zero.
        elements: atomic numbers that occur in the training data.
        max_atoms: atoms of the largest training crystal.
        needs_primitive: whether cells have to be primitive. Never of a model of atoms: the given ones are asked for.
        labels: what it was trained on; "site targets" if it predicts numbers of atoms.
        per_site: whether it does.
        is_classifier: whether it predicts the probability that the column is at most `threshold`.
        is_logarithmic: whether it learned the logarithm of its targets.
        threshold: of a classifier or a hurdle model, in the target's unit; 0 otherwise.
        zero_probability: which column is the probability that the target is zero, of a hurdle model; None otherwise.
    """

    def __init__(
        self,
        header: dict[str, Any],
        model: nn.Module,
        task: Task,
        device: torch.device,
    ) -> None:
        """Takes the parts as `load_predictor` finds them; arguments as above."""
        self.name: str = header["name"]
        self.targets: tuple[str, ...] = tuple(header["recipe"]["data"]["targets"])
        self.elements = frozenset(header["elements"])
        self.max_atoms: int = header["max_atoms"]
        self.labels: Labels = task.labels
        self.per_site = self.labels == "site targets"
        self.needs_primitive = bool(getattr(model, "needs_primitive", False)) and not self.per_site
        self.is_classifier = isinstance(task, Classification)
        self.is_logarithmic = isinstance(task, LogRegression)
        self.threshold = task.threshold if isinstance(task, Classification | HurdleRegression) else 0.0
        self.columns = task.columns(self.targets)
        self.zero_probability = task.probability if isinstance(task, HurdleRegression) else None
        factors = [calibration(header["metrics"], k, len(self.targets)) for k in range(len(self.targets))]
        factors += [1.0] * (len(self.columns) - len(factors))  # probabilities, as they are
        self._factors = None if None in factors else torch.tensor(factors)
        self._model, self.task, self._device = model, task, device

    def __repr__(self) -> str:
        """The model and what it predicts."""
        return f"<PropertyPredictor: {self.name}, {', '.join(self.columns)}>"

    def predict(self, crystals: Crystals) -> Prediction:
        """Values and their uncertainties.

        Args:
            crystals: any number, on any device; they are taken a few at a time.

        Returns:
            On the CPU, float32: values (n_crystals, n_columns), or (n_atoms_total, n_columns) of a model of atoms, in
            the units of the training data, and standard deviations of the same shape, scaled on the validation split;
            NaN where the network has a single head.
        """
        parts = [self.task.predict(self._model, self._ready(crystals[index])) for index in _pieces(crystals)]
        value = torch.cat([part.value.cpu() for part in parts])
        spread = torch.cat([part.spread.cpu() for part in parts])
        if self.is_classifier:
            return Prediction(value, spread)
        return Prediction(value, torch.full_like(value, torch.nan) if self._factors is None else spread * self._factors)

    @torch.no_grad()
    def embed(self, crystals: Crystals) -> Tensor:
        """(n_crystals, d), float32, on the CPU: what the network's heads read."""
        embed: Any = self._model.embed
        return torch.cat([embed(self._ready(crystals[index])).cpu() for index in _pieces(crystals)])

    def differentiable(self, crystals: Crystals) -> Tensor:
        """(n_crystals, n_targets) in float64, differentiable with respect to cells and positions.

        Args:
            crystals: in float64, on the predictor's device.

        Raises:
            InputError: a classifier, or another model that isn't differentiable everywhere.
        """
        if not isinstance(self.task, Regression):
            raise InputError(f"{self.name} decides about a class, which has no gradient to follow")
        return self.task.value(self._model.double(), crystals)

    @property
    def device(self) -> torch.device:
        """Where the network computes."""
        return self._device

    def _ready(self, crystals: Crystals) -> Crystals:
        dtype = next(self._model.parameters()).dtype
        return crystals.to(self._device, dtype)


def _pieces(crystals: Crystals) -> list[Tensor]:
    """Indices of consecutive crystals, a bounded number of atoms at once."""
    step = max(1, MAX_ATOMS_AT_ONCE // max(1, int(crystals.n_atoms.max()))) if len(crystals) else 1
    return list(torch.arange(len(crystals), device=crystals.device).split(step))


@cache
def shared_predictor(name: str, device: str = "auto") -> PropertyPredictor:
    """A shipped network, loaded once in a process, for those that predict alone.

    Args:
        name: of the weights.
        device: see `load_predictor`.

    Raises:
        InputError: as `load_predictor`.
    """
    return load_predictor(name, device)


def load_predictor(name_or_path: str | Path, device: str = "auto") -> PropertyPredictor:
    """Loads trained weights.

    Args:
        name_or_path: a shipped model's name or a file.
        device: see `asegen.trained.loading.pick_device`.

    Raises:
        InputError: no such model or device, or weights of another task.
        CheckpointError: the file is corrupt, foreign, or doesn't fit its network.
    """
    path = find_weights(name_or_path, *PREDICTORS)
    needs = ("elements", "max_atoms", "recipe", "metrics")
    trained = load_trained(path, pick_device(device), *PREDICTORS, needs=needs)
    predictor = PropertyPredictor(*trained)
    _check_outputs(predictor, trained.header, path)
    return predictor


def _check_outputs(predictor: PropertyPredictor, header: dict[str, Any], path: Path) -> None:
    """Whether network and statistics have as many outputs as there are targets.

    Raises:
        CheckpointError: they don't, or there is no target.
    """
    n = len(predictor.targets)
    statistics = {len(header["process"][name]) for name in ("elements", "scale") if name in header["process"]}
    if n == 0 or statistics - {n} or header["model"].get("outputs", 1) != len(predictor.columns):
        raise CheckpointError(f"{path} has a bad header: targets, outputs and statistics differ in number")


def measure(predictor: PropertyPredictor, dataset: CrystalDataset) -> dict[str, float]:
    """The figures of a model on a split.

    Args:
        predictor: the model.
        dataset: crystals with the model's columns; those larger than in training, with an element that training lacks,
            or without a value are left out.

    Returns:
        `crystals`, how many were judged, and what `asegen.properties.figures` gives for them.

    Raises:
        InputError: the split lacks a column, or no crystal is left.
    """
    foreign = ~torch.isin(dataset.crystals.numbers, torch.tensor(sorted(predictor.elements)))
    strange = torch.zeros(len(dataset), dtype=torch.int64).index_add(0, dataset.crystals.batch, foreign.long())
    if bool(strange.all()):
        raise InputError(f"the split has no crystal that {predictor.name} can judge")
    options = DataOptions(max_atoms=predictor.max_atoms, targets=predictor.targets)
    split = fitting_split(dataset[strange == 0], options, "test", predictor.labels)
    found = predictor.predict(split.crystals)
    figures: dict[str, float] = {"crystals": len(split.crystals)}
    if predictor.is_classifier:
        return figures | class_figures(found.value[:, 0], split.targets[:, 0] <= predictor.threshold)
    return figures | _number_figures(predictor, split, found)


def _number_figures(predictor: PropertyPredictor, split: Split, found: Prediction) -> dict[str, float]:
    value = found.value
    if predictor.per_site:
        value = value * alignment(value, split.targets, split.crystals)
    figures: dict[str, float] = {}
    for k, name in enumerate(predictor.targets):
        known = torch.isfinite(split.targets[:, k])
        columns = (value[known, k], found.spread[known, k], split.targets[known, k])
        figures |= number_figures(name, *columns)
        if predictor.is_logarithmic:
            figures[f"{name} MAE of log10"] = float((columns[0] / columns[2]).log10().abs().mean())
    return figures | _hurdle_figures(predictor, split, found)


def _hurdle_figures(predictor: PropertyPredictor, split: Split, found: Prediction) -> dict[str, float]:
    """Of crystals whose target isn't zero alone, and how well these are told from the others."""
    if predictor.zero_probability is None:
        return {}
    name, zero = predictor.targets[0], split.targets[:, 0] <= predictor.threshold
    error = (found.value[:, 0] - split.targets[:, 0]).abs()[~zero].mean()
    said = found.value[:, 0] == 0
    return {
        f"{name} MAE above 0": float(error),
        "zero, right": float(said[zero].float().mean()),
        "above 0, right": float((~said[~zero]).float().mean()),
    }
