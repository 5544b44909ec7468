"""What arguments a class takes that recipes and headers of weights name."""

from __future__ import annotations

from typing import Any, get_type_hints


def arguments_of(kind: type[Any]) -> dict[str, Any]:
    """Names of a class's arguments and their types; of an ensemble those of its members too.

    Args:
        kind: a class of networks or tasks, fully annotated.
    """
    hints = get_type_hints(kind.__init__)
    hints.pop("return", None)
    member = getattr(kind, "member", None)
    if member is None:
        return hints
    return {**arguments_of(member), "members": hints["members"]}
