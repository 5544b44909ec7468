"""Progress: lines in a log, nothing left on a terminal, and what it says of the time."""

import pytest

from asegen.cli import progress
from asegen.cli.progress import ProgressBar


@pytest.mark.parametrize(
    ("done", "total", "seconds", "text"),
    [
        (0, None, 9, "0"),
        (120, None, 60, "120, 2/s"),
        (3, 12, 0.2, "3 of 12"),
        (3, 12, 30, "3 of 12, 2 min left"),
        (1, 2, 40, "1 of 2, 40 s left"),
        (1, 101, 100, "1 of 101, 3 h left"),
    ],
)
def test_what_it_says(done: int, total: int | None, seconds: float, text: str) -> None:
    assert progress._state(done, total, seconds) == text


def test_lines_where_there_is_no_terminal(capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 10.0, 31.0, 32.0, 70.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    with ProgressBar("relaxing") as bar:
        for _ in range(2):
            bar.advance(5)
        bar.print("a failure [1, 2]")
        bar.report("writing", 1, 2)
        bar.report("writing", 2, 2)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == ["relaxing: 10, 0.323/s", "a failure [1, 2]", "writing: 2 of 2, 0 s left"]
