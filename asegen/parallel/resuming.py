"""Whether a run that is to be resumed is the one that was begun."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from asegen.errors import InputError

_LONGEST = 50
"""Characters of both values that a message shows; of longer ones, such as checksums, it gives the name alone."""


def check_same_options(place: Path, before: Mapping[str, object], now: Mapping[str, object], *parameters: str) -> None:
    """Refuses to go on with another run's beginning.

    Args:
        place: where it is kept.
        before: option -> JSON value, of the run that was begun.
        now: of the run that is to go on.
        parameters: those options for which the command line has flags.

    Raises:
        InputError: they differ; it names the options that do, and short values.
    """
    wanted = json.loads(json.dumps(now))
    changed = [name for name in {**before, **wanted} if before.get(name) != wanted.get(name)]
    if changed:
        changes = ", ".join(_change(name, before.get(name), wanted.get(name)) for name in changed)
        wrong = f"{place} was begun with other options ({changes}): repeat those, or start with overwrite"
        raise InputError(wrong, *(name for name in changed if name in parameters), "overwrite")


def _change(name: str, before: object, now: object) -> str:
    """Such as "seed = 1 → 2"."""
    values = f"{before} → {now}"
    return name if len(values) > _LONGEST else f"{name} = {values}"
