"""The source "hybrid": known crystals with other elements, both diffusion models, and restarts, in turn."""

from __future__ import annotations

from pathlib import Path

from asegen.generation.sources.diffusion import Diffusion
from asegen.generation.sources.symmetric import Symmetric
from asegen.generation.sources.template import open_templates
from asegen.generation.sources.turns import (
    DIFFUSION,
    PARTIAL,
    SYMMETRIC,
    TEMPLATE,
    Drawn,
    Known,
    Part,
    Restarted,
    Turns,
)
from asegen.prototypes.library import TemplateLibrary
from asegen.prototypes.sources import KNOWN

SHARES = {TEMPLATE: 0.6, DIFFUSION: 0.25, SYMMETRIC: 0.1, PARTIAL: 0.05}


def open_hybrid(
    templates: str | Path | TemplateLibrary = KNOWN,
    model: str | None = None,
    device: str = "auto",
    quick: bool = False,
    symmetric_model: str | None = None,
    element_map: str | None = None,
) -> Turns:
    """Known structure types and what models draw take turns, the likeliest type first.

    `info["source"]` is "template", "diffusion", "symmetric" (the flow with space groups, drawn together with what is
    where from those of known crystals) or "partial" (the flow, begun with a template under noise); templates and what
    began with one have template and template_distance too. What lacks a template is drawn by the flow instead.

    Args:
        templates: see `open_template`, as all but `symmetric_model`.
        model: draws without symmetry.
        device: where models compute.
        quick: every trajectory of a model is a structure of its own: the choice is then left to a ranking.
        symmetric_model: draws with symmetry; see `Symmetric`.
        element_map: of the templates.

    Raises:
        InputError: no such templates, model or device.
        CheckpointError: weights that can't be read.
    """
    diffusion = Diffusion(model, device, quick)
    symmetric = Symmetric(model=symmetric_model, device=device, quick=quick)
    borrowed = open_templates(templates, device, quick, element_map)
    known = Known(borrowed)
    parts: dict[str, Part] = {
        TEMPLATE: known,
        DIFFUSION: Drawn(diffusion, DIFFUSION),
        SYMMETRIC: Drawn(symmetric, SYMMETRIC),
        PARTIAL: Restarted(known, diffusion),
    }
    return Turns("hybrid", borrowed, [diffusion.identity, symmetric.identity], parts, SHARES)
