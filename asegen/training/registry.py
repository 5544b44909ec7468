"""Names of networks and processes, as recipes and checkpoints write them."""

from __future__ import annotations

from typing import Any

from asegen.diffusion.flow import TorusFlow
from asegen.diffusion.gemsdiff import GemsDiff, GemsDiffOneShot, GemsDiffParameters
from asegen.diffusion.judge import Judge
from asegen.diffusion.symmetric_flow import SymmetricFlow
from asegen.diffusion.symmetric_score import SymmetricScore
from asegen.models.alignn.network import ALIGNN
from asegen.models.cgcnn import CGCNN
from asegen.models.dimenet.network import SymmetricDimeNet
from asegen.models.ecn.network import ECN
from asegen.models.empnn.moment_network import MomentEMPNN
from asegen.models.empnn.network import EMPNN, LatticeRegressor
from asegen.models.gemsnet.network import GemsNet, GemsNetEncoderDecoder, GemsNetParameters
from asegen.models.megnet import MEGNet
from asegen.models.transformer import CrystalJudge, CrystalTransformer
from asegen.properties.classification import Classification
from asegen.properties.moments import SiteMoments
from asegen.properties.regression import Regression
from asegen.relaxation.tasks import Denoising, ParameterRegression, Reconstruction

MODELS: dict[str, type] = {
    "ALIGNN": ALIGNN,
    "CGCNN": CGCNN,
    "CrystalJudge": CrystalJudge,
    "CrystalTransformer": CrystalTransformer,
    "ECN": ECN,
    "EMPNN": EMPNN,
    "GemsNet": GemsNet,
    "GemsNetEncoderDecoder": GemsNetEncoderDecoder,
    "GemsNetParameters": GemsNetParameters,
    "LatticeRegressor": LatticeRegressor,
    "MEGNet": MEGNet,
    "MomentEMPNN": MomentEMPNN,
    "SymmetricDimeNet": SymmetricDimeNet,
}
PROCESSES: dict[str, Any] = {
    "Classification": Classification,
    "Denoising": Denoising,
    "GemsDiff": GemsDiff,
    "GemsDiffOneShot": GemsDiffOneShot,
    "GemsDiffParameters": GemsDiffParameters,
    "Judge": Judge,
    "ParameterRegression": ParameterRegression,
    "Reconstruction": Reconstruction,
    "Regression": Regression,
    "SiteMoments": SiteMoments,
    "SymmetricFlow": SymmetricFlow,
    "SymmetricScore": SymmetricScore,
    "TorusFlow": TorusFlow,
}
GENERATORS = ("GemsDiff", "GemsDiffOneShot", "GemsDiffParameters", "TorusFlow")
"""The processes that draw crystals."""
SYMMETRIC_GENERATORS = ("SymmetricFlow", "TorusFlow")
"""Those that draw crystals with a space group."""
SCORES = ("SymmetricScore",)
"""Those that do so as published, by sites."""
RELAXERS = ("Denoising", "Reconstruction")
"""Those that move crystals."""
PREDICTORS = ("Classification", "Regression", "SiteMoments")
"""Those that predict properties."""
