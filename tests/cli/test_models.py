"""`asegen models` in a narrow terminal."""

import re
import sys

import pytest

from asegen.cli.main import main
from asegen.trained.weights import shipped_weights


def test_names_stay_whole_in_a_narrow_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """They are copied into commands."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "60")
    main(["models"])
    lines = re.sub(r"\x1b\[\d*m", "", capsys.readouterr().out).splitlines()
    assert set(shipped_weights()) <= {line.split()[0] for line in lines if line.strip()}
    assert "without atoms ≤, network, columns, for which this terminal is too narrow" in lines
    assert max(map(len, lines[:-1])) <= 60
