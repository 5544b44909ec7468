"""The source "template": known crystals with other elements, and a model for what has none if one is named."""

from __future__ import annotations

from pathlib import Path

from asegen.generation.sources.diffusion import Diffusion
from asegen.generation.sources.turns import DIFFUSION, TEMPLATE, Drawn, Known, Part, Turns
from asegen.generation.templates import Templates
from asegen.prototypes.exchanges import parse_element_map
from asegen.prototypes.library import TemplateLibrary
from asegen.prototypes.sources import KNOWN, open_library
from asegen.trained.relaxer import load_relaxer


def open_template(
    templates: str | Path | TemplateLibrary = KNOWN,
    model: str | None = None,
    device: str = "auto",
    quick: bool = False,
    element_map: str | None = None,
) -> Turns:
    """Elements are substituted in known crystals, the likeliest structure types first.

    There are as many structures of a formula as it has templates, unless a model is named that draws the others.

    Args:
        templates: see `asegen.prototypes.sources.open_library`; a library that is open already will do.
        model: draws what has no template; see `Diffusion`, as all below.
        device: where models compute.
        quick: one rough trajectory per structure that the model draws, and volumes of the elements for a template.
        element_map: which element takes the place of which, such as "Li:Na Co:Ni"; every sensible one without it.

    Raises:
        InputError: no such templates, model or device, or no such map.
        CheckpointError: weights that can't be read.
    """
    known = open_templates(templates, device, quick, element_map)
    parts: dict[str, Part] = {TEMPLATE: Known(known)}
    if model is None:
        return Turns(TEMPLATE, known, [], parts, {TEMPLATE: 1.0})
    diffusion = Diffusion(model, device, quick)
    parts[DIFFUSION] = Drawn(diffusion, DIFFUSION)
    return Turns(TEMPLATE, known, [diffusion.identity], parts, {TEMPLATE: 1.0})


def open_templates(
    templates: str | Path | TemplateLibrary, device: str, quick: bool, element_map: str | None = None
) -> Templates:
    """Templates with the learned relaxer's volumes, or the elements' where it has to be quick.

    Args:
        templates: see `open_template`, as all below.
        device: where the relaxer computes.
        quick: without it.
        element_map: which element takes the place of which.
    """
    library = templates if isinstance(templates, TemplateLibrary) else open_library(templates)
    relaxer = None if quick else load_relaxer(None, device)
    return Templates(library, relaxer, None if element_map is None else parse_element_map(element_map))
