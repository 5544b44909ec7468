"""A run goes on only with its own beginning, and a refusal says what differs."""

from pathlib import Path

import pytest

from asegen.errors import InputError
from asegen.parallel.resuming import check_same_options

PLACE = Path("out.part.json")


def test_options_are_compared_as_json_holds_them() -> None:
    check_same_options(PLACE, {"cell": [1, 2], "n": 3}, {"n": 3, "cell": (1, 2)})


def test_what_differs_is_named_with_short_values() -> None:
    before, now = {"n": 3, "known": "a" * 64, "seed": 1}, {"n": 3, "known": "b" * 64, "steps": 5}
    with pytest.raises(InputError) as caught:
        check_same_options(PLACE, before, now, "n", "steps")
    wrong = "out.part.json was begun with other options (known, seed = 1 → None, steps = None → 5): repeat those"
    assert str(caught.value).startswith(wrong) and caught.value.parameters == ("steps", "overwrite")
