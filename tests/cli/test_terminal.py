"""Tables in terminals of any width: words and numbers stay whole."""

import io

import pytest
from rich.console import Console

from asegen.cli.terminal import print_table, results_table


def printed(width: int, rows: list[list[str]], dispensable: tuple[str, ...] = (), terminal: bool = True) -> str:
    table = results_table("name", "what it is", "e_hull/\natom", numbers=("e_hull/\natom",))
    for row in rows:
        table.add_row(*row)
    console = Console(width=width, file=io.StringIO(), record=True, force_terminal=terminal)
    print_table(console, table, dispensable)
    return console.export_text()


@pytest.mark.parametrize("terminal", [True, False])
@pytest.mark.parametrize("width", [50, 60, 80])
def test_a_narrow_table_is_folded_between_words(width: int, terminal: bool) -> None:
    words = "accuracy in the class of crystals outside".split()
    rows = [["formation_energy_per_atom", " ".join(words), "-0.123"], ["gap", "see", "1.5"]]
    told = printed(width, rows, terminal=terminal)
    assert {"formation_energy_per_atom", *words, "-0.123"} <= set(told.split())
    assert max(len(line.rstrip()) for line in told.splitlines()) <= width


def test_a_terminal_goes_without_what_says_least() -> None:
    rows = [["formation_energy_per_atom", "crystallographic", "-0.123"]]
    assert "without" not in printed(60, rows, ("e_hull/atom", "what it is"))
    told = printed(50, rows, ("e_hull/atom", "what it is"))
    assert "crystallographic" in told and "-0.123" not in told
    assert "without e_hull/atom, for which this terminal is too narrow" in told
    elsewhere = printed(30, rows, ("e_hull/atom", "what it is"), terminal=False)
    assert "crystallographic" in elsewhere and "-0.123" in elsewhere and "without" not in elsewhere


def test_a_path_of_any_length_leaves_room_for_the_rest() -> None:
    told = printed(60, [[100 * "x", "see", "1.5"]])
    assert max(len(line.rstrip()) for line in told.splitlines()) <= 60 and "1.5" in told and told.count("x") == 100
