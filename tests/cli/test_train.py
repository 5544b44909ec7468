"""`asegen train` ended by signals; what the loop keeps then is in tests/training/test_loop.py."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from asegen.cli.main import main
from asegen.cli.runs import train as run
from asegen.crystals.crystals import Crystals
from asegen.data.shards import CrystalDataset, write_shards


@pytest.fixture
def arguments(tmp_path: Path) -> list[str]:
    crystal = Crystals(
        4 * torch.eye(3)[None].double(), torch.zeros(1, 3).double(), torch.tensor([29]), torch.tensor([1])
    )
    for split in ("train", "val"):
        write_shards(tmp_path, split, CrystalDataset(crystal, {}, ["0"]))
    return ["train", "torusflow-mp", "--data", str(tmp_path), "--out", str(tmp_path / "run"), "--accelerator", "cpu"]


def training(monkeypatch: pytest.MonkeyPatch, steps: Callable[[Callable[[], bool]], Any]) -> None:
    """Puts steps in the place of the loop."""
    monkeypatch.setattr(run, "train", lambda *given: steps(given[-2]))


@pytest.fixture(autouse=True)
def _ctrl_c() -> Iterator[None]:
    """Ctrl-C interrupts, although a shell's background job, which may run the tests, ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize(("number", "word"), [(signal.SIGINT, "interrupted"), (signal.SIGTERM, "terminated")])
def test_a_signal_ends_a_run_in_good_order(
    number: int,
    word: str,
    arguments: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before, answers = signal.getsignal(number), []

    def steps(stop: Callable[[], bool]) -> None:
        answers.append(stop())
        os.kill(os.getpid(), number)
        answers.append(stop())

    training(monkeypatch, steps)
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert answers == [False, True] and ended.value.code == 128 + number
    told = capsys.readouterr().err
    assert "a validation and a checkpoint" in told and f"{word}; go on with --resume" in told
    assert signal.getsignal(number) is before


@pytest.mark.parametrize("steps_before", [0, 1])
def test_ctrl_c_ends_at_once_before_the_first_step_and_the_second_time(
    steps_before: int, arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def steps(stop: Callable[[], bool]) -> None:
        for _ in range(steps_before):
            stop()
            os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        raise AssertionError("the run goes on")

    training(monkeypatch, steps)
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 130 and capsys.readouterr().err.endswith("asegen: interrupted\n")
