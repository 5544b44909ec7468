"""The source "template": known crystals with other elements, and a model for what has none."""

from __future__ import annotations

from asegen.generation.sources.diffusion import Diffusion
from asegen.generation.sources.turns import DIFFUSION, TEMPLATE, Drawn, Known, Part, Turns
from asegen.generation.templates import Templates
from asegen.prototypes.library import TemplateLibrary
from asegen.prototypes.sources import KNOWN, open_library
from asegen.trained.relaxer import load_relaxer


def open_template(
    templates: str | TemplateLibrary = KNOWN, model: str | None = None, device: str = "auto", quick: bool = False
) -> Turns:
    """Elements are substituted in known crystals, the likeliest structure types first; a model draws what has none.

    Args:
        templates: see `asegen.prototypes.sources.open_library`; a library that is open already will do.
        model: draws what has no template; see `Diffusion`, as all below.
        device: where models compute.
        quick: one rough trajectory per structure that the model draws, and volumes of the elements for a template.

    Raises:
        InputError: no such templates, model or device.
        CheckpointError: weights that can't be read.
    """
    diffusion = Diffusion(model, device, quick)
    known = open_templates(templates, device, quick)
    parts: dict[str, Part] = {TEMPLATE: Known(known), DIFFUSION: Drawn(diffusion, DIFFUSION)}
    return Turns(TEMPLATE, known, [diffusion.identity], parts, {TEMPLATE: 1.0})


def open_templates(templates: str | TemplateLibrary, device: str, quick: bool) -> Templates:
    """Templates with the learned relaxer's volumes, or the elements' where it has to be quick.

    Args:
        templates: see `open_template`, as all below.
        device: where the relaxer computes.
        quick: without it.
    """
    library = open_library(templates) if isinstance(templates, str) else templates
    return Templates(library, None if quick else load_relaxer(None, device))
