"""Networks and tasks by the names that recipes and checkpoints write.

A class is loaded when it is asked for: weights of one network don't load the others, nor the libraries these need.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asegen.training.task import Task

MODELS: dict[str, str] = {
    "ALIGNN": "asegen.models.alignn.network",
    "ALIGNNEnsemble": "asegen.models.alignn.ensemble",
    "CGCNN": "asegen.models.cgcnn",
    "CrystalJudge": "asegen.models.transformer",
    "CrystalTransformer": "asegen.models.transformer",
    "ECN": "asegen.models.ecn.network",
    "ECNEnsemble": "asegen.models.ecn.ensemble",
    "EMPNN": "asegen.models.empnn.network",
    "GemsNet": "asegen.models.gemsnet.network",
    "GemsNetEncoderDecoder": "asegen.models.gemsnet.network",
    "GemsNetParameters": "asegen.models.gemsnet.network",
    "LatticeRegressor": "asegen.models.empnn.network",
    "MEGNet": "asegen.models.megnet",
    "MomentEMPNN": "asegen.models.empnn.moment_network",
    "SymmetricDimeNet": "asegen.models.dimenet.network",
}
"""Classes of networks, and the module of each."""
TASKS: dict[str, str] = {
    "Classification": "asegen.properties.classification",
    "Denoising": "asegen.relaxation.tasks",
    "GemsDiff": "asegen.diffusion.gemsdiff",
    "GemsDiffOneShot": "asegen.diffusion.gemsdiff",
    "GemsDiffParameters": "asegen.diffusion.gemsdiff",
    "HurdleRegression": "asegen.properties.hurdle",
    "Judge": "asegen.diffusion.judge",
    "LogRegression": "asegen.properties.log_regression",
    "ParameterRegression": "asegen.relaxation.tasks",
    "Reconstruction": "asegen.relaxation.tasks",
    "Regression": "asegen.properties.regression",
    "SiteMoments": "asegen.properties.moments",
    "SymmetricFlow": "asegen.diffusion.symmetric_flow",
    "SymmetricScore": "asegen.diffusion.symmetric_score",
    "TorusFlow": "asegen.diffusion.flow",
}
"""Classes of training tasks, and the module of each; see `asegen.training.task.Task`."""
GENERATORS = ("GemsDiff", "GemsDiffOneShot", "GemsDiffParameters", "TorusFlow")
"""The tasks whose networks draw crystals."""
SYMMETRIC_GENERATORS = ("SymmetricFlow", "TorusFlow")
"""The tasks whose networks draw crystals with a space group; velocities of `TorusFlow` are projected for that."""
SCORES = ("SymmetricScore",)
"""The task of the published score model, whose network draws crystals by their sites."""
RELAXERS = ("Denoising", "Reconstruction")
"""The tasks whose networks relax crystals."""
PREDICTORS = ("Classification", "HurdleRegression", "LogRegression", "Regression", "SiteMoments")
"""The tasks whose networks predict properties."""


def model_class(name: str) -> type[Any]:
    """A class of networks, a subclass of `torch.nn.Module`.

    Raises:
        KeyError: there is none of this name.
    """
    return _loaded(MODELS[name], name)


def task_class(name: str) -> type[Task]:
    """A class of training tasks.

    Raises:
        KeyError: there is none of this name.
    """
    return _loaded(TASKS[name], name)


def _loaded(module: str, name: str) -> type[Any]:
    found: type[Any] = getattr(import_module(module), name)
    return found
