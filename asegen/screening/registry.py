"""The stages of a screening, by name.

To add one, write a module with a `Stage` and name it in `STAGES`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

from asegen.errors import InputError
from asegen.screening.columns import Column, merged
from asegen.screening.dft_columns import COLUMNS
from asegen.screening.options import Options

if TYPE_CHECKING:
    from asegen.screening.stage import Stage


class Listed(NamedTuple):
    """A stage.

    Attributes:
        place: where it is defined, `module:class`.
        needs: the stage whose results it needs.
        optional: whether it runs only where it is asked for.
    """

    place: str
    needs: str = ""
    optional: bool = False


_ROOM = "asegen.screening.stages"
STAGES = {
    "read": Listed(f"{_ROOM}.read:Read"),
    "dedup": Listed(f"{_ROOM}.deduplicate:Deduplicate"),
    "symmetrise": Listed(f"{_ROOM}.symmetrise:Symmetrise"),
    "prerelax": Listed(f"{_ROOM}.prerelax:Prerelax"),
    "relax": Listed(f"{_ROOM}.relax:Relax"),
    "compare": Listed(f"{_ROOM}.compare:Compare", needs="relax"),
    "hull": Listed(f"{_ROOM}.hull:Hull", needs="relax"),
    "targets": Listed(f"{_ROOM}.targets:Targets", needs="relax"),
    "properties": Listed(f"{_ROOM}.properties:Properties"),
    "phonons": Listed(f"{_ROOM}.phonons:Phonons", needs="relax"),
    "vasp": Listed(f"{_ROOM}.dft_inputs:VaspInputs", needs="relax"),
    "espresso": Listed(f"{_ROOM}.dft_inputs:EspressoInputs", needs="relax"),
    "second": Listed(f"{_ROOM}.second_opinion:SecondOpinion", needs="hull", optional=True),
    "second_hull": Listed(f"{_ROOM}.second_opinion:SecondHull", needs="second", optional=True),
    "second_phonons": Listed(f"{_ROOM}.second_opinion:SecondPhonons", needs="second_hull", optional=True),
    "elastic": Listed(f"{_ROOM}.elastic:Elastic", needs="relax", optional=True),
    "eos": Listed(f"{_ROOM}.eos:Eos", needs="relax", optional=True),
    "thermal": Listed(f"{_ROOM}.thermal:Thermal", needs="phonons", optional=True),
}
"""Name -> where it is, in the order in which they run; optional ones come last, in the order that the user names."""
DEFAULT = "default"
"""Stands for all stages that aren't optional, where stages are named."""
_SECOND = ("second", "second_hull", "second_phonons")


_AT_REST = ("elastic", "eos", "thermal")
"""Stages of crystals at zero pressure."""


def chosen(options: Options) -> list[str]:
    """Names of the stages that are asked for, in order; imports none of them.

    Args:
        options: of the screening.

    Raises:
        InputError: there is no such stage, or one lacks the results of another.
    """
    asked = [DEFAULT] if options.stages is None else list(options.stages)
    if unknown := sorted(set(asked) - {DEFAULT, *STAGES}):
        there = ", ".join((*STAGES, f"{DEFAULT} ({','.join(_usual())})"))
        raise InputError(f"stages: no stage {unknown[0]!r}; there are {there}", "stages")
    wanted = {"read", *asked, *(_usual() if DEFAULT in asked else ())}
    if not options.prerelaxes:
        wanted -= {"prerelax"}
    if not options.targets:
        wanted -= {"targets"}
    second = _of_the_second_opinion(options, wanted)
    # Optional ones as they are named, so that a later call can add any of them at the end.
    extra = dict.fromkeys([*second, *(name for name in asked if name in STAGES and STAGES[name].optional)])
    names = [*(name for name in _usual() if name in wanted), *extra]
    if options.pressure and (resting := [name for name in names if name in _AT_REST]):
        raise InputError(f"stages: the stage {resting[0]} is of crystals at zero pressure", "stages")
    for name in names:
        if (needed := STAGES[name].needs) and needed not in names:
            raise InputError(f"stages: the stage {name} needs the stage {needed}", "stages")
    return names


def _of_the_second_opinion(options: Options, wanted: set[str]) -> list[str]:
    """The stages that come with it; a potential that is named for all phonons has them to itself."""
    if options.second_opinion is None:
        if asked := sorted(wanted.intersection(_SECOND)):
            raise InputError(f"stages: the stage {asked[0]} needs a second_opinion", "stages")
        return []
    phonons = "phonons" in wanted and options.phonons_by is None
    return [name for name in _SECOND if phonons or name != "second_phonons"]


def _usual() -> list[str]:
    return [name for name, listed in STAGES.items() if not listed.optional]


def recipe(options: Options | None = None) -> list[Stage]:
    """Stages for `asegen.screening.pipeline.run_stages`.

    Args:
        options: of the screening; the default ones without them.

    Raises:
        InputError: no such calculator, stage, file or model.
        AsegenError: the calculator's package is missing.
    """
    options = options or Options()
    names = chosen(options)
    options = replace(options, stages=names)  # "default" written out: stages look for others of the recipe
    return [_stage(name).of(options) for name in names]


def columns(stages: Sequence[Stage]) -> tuple[Column, ...]:
    """The columns of results.csv: of all stages named here, whether they run or not, of others that do, and of DFT.

    Args:
        stages: those that run.
    """
    listed = [_stage(name) for name in STAGES]
    others = [type(one) for one in stages if type(one) not in listed]
    return merged([*(stage.columns for stage in listed), COLUMNS, *(stage.columns for stage in others)])


def _stage(name: str) -> type[Stage]:
    module, _, kind = STAGES[name].place.partition(":")
    found: type[Stage] = getattr(import_module(module), kind)
    return found
