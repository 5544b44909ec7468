"""The shell around the commands."""

import os
import signal
import subprocess
import sys

import pytest

from asegen import __version__
from asegen.cli import main as shell
from asegen.errors import InputError

COMMAND = [sys.executable, "-m", "asegen.cli"]


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
        (OSError(28, "No space left on device"), 2, "asegen: error: No space left on device\n"),
        (OSError(28, "No space left on device", "a/b"), 2, "asegen: error: a/b: No space left on device\n"),
        (
            RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."),
            2,
            "asegen: error: out of memory: smaller cells, or fewer at once, need less ([enforce fail] "
            "DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes.)\n",
        ),
        (MemoryError(), 2, "asegen: error: out of memory: smaller cells, or fewer at once, need less (no more)\n"),
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


@pytest.mark.parametrize("arguments", [["--help"], ["generate", "--help"], ["help", "ingest"], ["--version"], ["x"]])
def test_help_comes_without_heavy_imports(arguments: list[str]) -> None:
    code = (
        "import atexit, sys; from asegen.cli.main import main\n"
        "heavy = 'torch', 'ase', 'numpy', 'scipy', 'pymatgen', 'matplotlib', 'rich', 'lightning'\n"
        "atexit.register(lambda: print('loaded:', [name for name in heavy if name in sys.modules]))\n"
        "main(sys.argv[1:])"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "loaded: []", done.stderr


@pytest.mark.parametrize("arguments", [["help", "generate"], ["--help"], ["ingest", "-h"], ["--version"]])
def test_a_closed_pipe_is_quiet(arguments: list[str]) -> None:
    # Without a reader at all every write fails; buffered, as most users have it, it fails only at the last flush.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([*COMMAND, *arguments], stdout=writer, stderr=subprocess.PIPE, text=True, env=environment)
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "arguments",
    [
        ["generat"],
        ["ingest"],
        ["help", "foo"],
        ["generate", "X", "-n", "two"],
        ["predict", ""],
        ["predict", "a", "--model="],
    ],
)
def test_bad_arguments_are_one_line(arguments: list[str], capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as caught:
        shell.main(arguments)
    assert caught.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("asegen: error: ") and error.count("\n") == 1 and error.endswith("\n")


def test_sigterm_unwinds_and_exits_143(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    class Terminated:
        """Ends itself from outside, as a scheduler would."""

        cleaned = False
        add_arguments = staticmethod(_Raising.add_arguments)

        @classmethod
        def run(cls, args: object, parser: object) -> None:
            try:
                os.kill(os.getpid(), signal.SIGTERM)
            finally:
                cls.cleaned = True

    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(shell, "COMMANDS", {"end": __name__})
    monkeypatch.setattr(sys.modules[__name__], "CLICommand", Terminated, raising=False)
    with pytest.raises(SystemExit) as caught:
        shell.main(["end"])
    assert caught.value.code == 143 and Terminated.cleaned
    assert capsys.readouterr().err == "asegen: terminated\n"
    assert signal.getsignal(signal.SIGTERM) is before
