"""`asegen models` in a narrow terminal."""

import pytest

from asegen.cli.main import main
from asegen.cli.runs import models
from asegen.trained.weights import shipped_weights


def test_names_stay_whole_in_a_narrow_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """They are copied into commands."""
    monkeypatch.setattr(models, "_PLAIN_WIDTH", 60)
    main(["models"])
    lines = capsys.readouterr().out.splitlines()
    assert set(shipped_weights()) <= {line.split()[0] for line in lines if line.strip()}
    assert max(map(len, lines)) <= 60
