"""The shell around the commands."""

import subprocess
import sys

import pytest

from asegen import __version__
from asegen.cli import main as shell
from asegen.errors import InputError

COMMAND = [sys.executable, "-m", "asegen.cli.main"]


class _Raising:
    """Raises what the test put there."""

    error: BaseException

    @staticmethod
    def add_arguments(parser: object) -> None:
        """None."""

    @classmethod
    def run(cls, args: object, parser: object) -> None:
        raise cls.error


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (InputError("two\nlines"), 2, "asegen: error: two lines\n"),
        (OSError(28, "No space left on device"), 2, "asegen: error: [Errno 28] No space left on device\n"),
        (KeyboardInterrupt(), 130, "asegen: interrupted\n"),
    ],
)
def test_errors_are_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, error: BaseException, code: int, message: str
) -> None:
    monkeypatch.setattr(shell, "COMMANDS", {"fail": __name__})
    monkeypatch.setattr(sys.modules[__name__], "CLICommand", _Raising, raising=False)
    _Raising.error = error
    with pytest.raises(SystemExit) as caught:
        shell.main(["fail"])
    assert caught.value.code == code
    assert capsys.readouterr().err == message
    if isinstance(error, Exception):
        with pytest.raises(type(error)):
            shell.main(["-T", "fail"])


def test_help_and_version(capsys: pytest.CaptureFixture) -> None:
    shell.main([])
    assert "generate" in capsys.readouterr().out
    shell.main(["help", "generate"])
    assert "--shard" in capsys.readouterr().out
    with pytest.raises(SystemExit) as caught:
        shell.main(["--version"])
    assert caught.value.code == 0
    assert __version__ in capsys.readouterr().out


def test_a_closed_pipe_is_quiet() -> None:
    script = f"{' '.join(COMMAND)} help generate | head -c 10"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", script], capture_output=True, text=True)
    assert "Traceback" not in done.stderr
