"""The stages of a screening, by name.

To add one, write a module with a `Stage` and name it in `STAGES`.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

from asegen.errors import InputError
from asegen.screening.columns import Column, merged
from asegen.screening.options import Options

if TYPE_CHECKING:
    from asegen.screening.stage import Stage


class Listed(NamedTuple):
    """Where a stage is defined, `module:class`, and the stage whose results it needs."""

    place: str
    needs: str = ""


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
    "phonons": Listed(f"{_ROOM}.phonons:Phonons", needs="relax"),
    "vasp": Listed(f"{_ROOM}.dft_inputs:DftInputs", needs="relax"),
}
"""Name -> where it is, in the order in which they run."""


def chosen(options: Options) -> list[str]:
    """Names of the stages that are asked for, in order; imports none of them.

    Args:
        options: of the screening.

    Raises:
        InputError: there is no such stage, or one lacks the results of another.
    """
    wanted = set(STAGES if options.stages is None else options.stages) | {"read"}
    if unknown := sorted(wanted - set(STAGES)):
        raise InputError(f"stages: no stage {unknown[0]!r}; there are {', '.join(STAGES)}", "stages")
    if not options.prerelaxes:
        wanted -= {"prerelax"}
    if not options.targets:
        wanted -= {"targets"}
    names = [name for name in STAGES if name in wanted]
    for name in names:
        if (needed := STAGES[name].needs) and needed not in wanted:
            raise InputError(f"stages: the stage {name} needs the stage {needed}", "stages")
    return names


def recipe(options: Options | None = None) -> list[Stage]:
    """Stages for `asegen.screening.pipeline.run_stages`.

    Args:
        options: of the screening; the default ones without them.

    Raises:
        InputError: no such calculator, stage, file or model.
        AsegenError: the calculator's package is missing.
    """
    options = options or Options()
    return [_stage(name).of(options) for name in chosen(options)]


def columns(stages: Sequence[Stage]) -> tuple[Column, ...]:
    """The columns of results.csv: of all stages named here, whether they run or not, and of others that do.

    Args:
        stages: those that run.
    """
    listed = [_stage(name) for name in STAGES]
    return merged(stage.columns for stage in (*listed, *(type(one) for one in stages if type(one) not in listed)))


def _stage(name: str) -> type[Stage]:
    module, _, kind = STAGES[name].place.partition(":")
    found: type[Stage] = getattr(import_module(module), kind)
    return found
