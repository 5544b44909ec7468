"""Names of networks and processes, as recipes and checkpoints write them."""

from __future__ import annotations

from typing import Any

from asegen.diffusion.flow import TorusFlow
from asegen.diffusion.gemsdiff import GemsDiff, GemsDiffOneShot, GemsDiffParameters
from asegen.models.gemsnet import GemsNet, GemsNetEncoderDecoder, GemsNetParameters
from asegen.models.transformer import CrystalTransformer

MODELS: dict[str, type] = {
    "CrystalTransformer": CrystalTransformer,
    "GemsNet": GemsNet,
    "GemsNetEncoderDecoder": GemsNetEncoderDecoder,
    "GemsNetParameters": GemsNetParameters,
}
PROCESSES: dict[str, Any] = {
    "GemsDiff": GemsDiff,
    "GemsDiffOneShot": GemsDiffOneShot,
    "GemsDiffParameters": GemsDiffParameters,
    "TorusFlow": TorusFlow,
}
