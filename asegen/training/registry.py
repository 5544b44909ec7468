"""Names of networks and processes, as recipes and checkpoints write them."""

from __future__ import annotations

from typing import Any

from asegen.diffusion.flow import TorusFlow
from asegen.models.transformer import CrystalTransformer

MODELS: dict[str, type] = {"CrystalTransformer": CrystalTransformer}
PROCESSES: dict[str, Any] = {"TorusFlow": TorusFlow}
