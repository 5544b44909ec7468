"""Sources by name. A new one is a line in `SOURCES`; opening it imports its module and nothing else does."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from asegen.arguments import check_model, check_path, real_number
from asegen.errors import InputError

if TYPE_CHECKING:
    from asegen.generation.source import Source
    from asegen.prototypes.library import TemplateLibrary

_MODEL = ("model", "device", "quick")


class Entry(NamedTuple):
    """How a source is opened.

    Attributes:
        opener: "module:object", a class or function that gives the source; its arguments have the names of `options`.
        options: of those of `open_source`, which it takes.
        spacegroups: whether a space group can be asked for.
        quick_if_ranked: rough trajectories are the better candidates of a ranking than the best of several.
    """

    opener: str
    options: tuple[str, ...] = _MODEL
    spacegroups: bool = False
    quick_if_ranked: bool = False


_ROOM = "asegen.generation.sources"
_WITH_TEMPLATES = ("templates", "element_map", *_MODEL)
_WITH_GROUP = ("cell", "known", *_MODEL)
SOURCES: Mapping[str, Entry] = {
    "diffusion": Entry(f"{_ROOM}.diffusion:Diffusion"),
    "template": Entry(f"{_ROOM}.template:open_template", _WITH_TEMPLATES),
    "hybrid": Entry(f"{_ROOM}.hybrid:open_hybrid", _WITH_TEMPLATES, quick_if_ranked=True),
    "symmetric": Entry(f"{_ROOM}.symmetric:Symmetric", _WITH_GROUP, spacegroups=True),
    "analogy": Entry(f"{_ROOM}.analogy:Analogy", _WITH_GROUP, spacegroups=True),
    "orderings": Entry(f"{_ROOM}.orderings:Orderings", ()),
    "host": Entry(f"{_ROOM}.host:HostFilling"),
    "score": Entry(f"{_ROOM}.score:Score", ("cell", "known", "model", "device", "repulsion"), spacegroups=True),
}
DEFAULT = "hybrid"
"""What draws where no source is named: known structure types and models in turn."""


def find_entry(name: str) -> Entry:
    """The entry of a source.

    Raises:
        InputError: there is none of that name.
    """
    if name not in SOURCES:
        raise InputError(f"no source {name!r}: there are {', '.join(sorted(SOURCES))}")
    return SOURCES[name]


def open_source(
    name: str = DEFAULT,
    *,
    model: str | Path | None = None,
    templates: str | Path | TemplateLibrary | None = None,
    cell: str | None = None,
    known: str | Path | None = None,
    device: str = "auto",
    quick: bool = False,
    element_map: str | None = None,
    repulsion: float | None = None,
) -> Source:
    """A source by name, such as `open_source("analogy", cell="conventional")`.

    Args:
        name: one of `SOURCES`.
        model: a shipped model's name or the path of weights; the source's default model without it (of "template":
            none).
        templates: known crystals that lend their structures, see `asegen.prototypes.sources.open_library`.
        cell: of structures with a space group: "primitive" or "conventional".
        known: catalogue of known crystals for space groups; that of mp/train without it.
        device: where models compute: "auto", "cpu", "cuda", "cuda:1" …
        quick: one rough trajectory per structure, over ten times faster.
        element_map: which element takes the place of which in a template, such as "Li:Na Co:Ni".
        repulsion: of sites that overlap, see `Score`.

    Raises:
        InputError: no such source, model, templates or device, or an option that the source doesn't take.
        CheckpointError: weights or a catalogue that can't be read.
    """
    entry = find_entry(name)
    check_model("model", model)
    if known is not None:
        check_path("known", known, "a catalogue")
    repulsion = None if repulsion is None else real_number("repulsion", repulsion)
    given: dict[str, Any] = {"model": model, "templates": templates, "cell": cell, "known": known}
    given |= {"element_map": element_map, "repulsion": repulsion}
    given = {option: value for option, value in given.items() if value is not None}
    for option in sorted(given.keys() - set(entry.options)):
        raise InputError(f"{option} is no option of the source {name!r}", option)
    given |= {option: value for option, value in {"device": device, "quick": quick}.items() if option in entry.options}
    module, _, opener = entry.opener.partition(":")
    return cast("Source", getattr(import_module(module), opener)(**given))
