"""`asegen screen`, end to end on few crystals, and on nonsense."""

import csv
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from ase.build import bulk, molecule
from ase.io import read, write

from asegen.cli.main import main


class Threads(ThreadPoolExecutor):
    """Stands for worker processes, which would import all that stages need anew; for those see tests/screening."""

    def __init__(self, jobs: int, memory: int | None, log: Path) -> None:
        super().__init__(jobs)

    def kill(self) -> None:
        pass


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("asegen.screening.pipeline.Processes", Threads)
    frames = [bulk("Cu", "fcc", a=3.7), bulk("Cu", "bcc", a=2.9), bulk("Cu", "fcc", a=3.7), bulk("Fe")]
    frames[0].info["material_id"] = "mine"
    write("in.extxyz", frames)
    return tmp_path


def screen(*arguments: str) -> None:
    main(["screen", "in.extxyz", "--workdir", "run", "--calculator", "emt", "--jobs", "1", *arguments])


def test_the_whole_chain_ends_in_tables_files_and_a_page(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    screen("--best", "1", "--relaxer", "none")
    told = capsys.readouterr()
    assert "4 structures: 2 ok, 1 duplicate, 1 unsupported" in told.out and "Traceback" not in told.err
    rows = {row["id"]: row for row in csv.DictReader(Path("run/results.csv").open())}
    assert rows["c000001"]["rank"] == "1" and rows["c000001"]["name"] == "mine"
    assert float(rows["c000001"]["e_hull"]) == pytest.approx(0.0, abs=5e-4)
    assert float(rows["c000002"]["e_hull"]) == pytest.approx(0.03, abs=0.02)  # EMT's bcc copper
    assert rows["c000001"]["phonons"] == "stable" and rows["c000002"]["phonons"] == ""
    assert rows["c000003"]["reason"] == "the same crystal as c000001"
    assert rows["c000004"]["reason"].startswith("unknown element: emt does not know Fe")
    assert len(read("run/results.extxyz", ":")) == 2
    assert {path.name for path in Path("run/vasp").iterdir()} == {"c000001"}
    assert (Path("run/vasp/c000001") / "POTCAR.spec").is_file()
    assert "c000001" in Path("run/report.html").read_text(encoding="utf-8")
    before = Path("run/results.csv").read_bytes()
    screen("--best", "1", "--relaxer", "none")
    assert Path("run/results.csv").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--stages", "read,magic"], "no stage 'magic'"),
        (["--calculator", "abacus"], "no calculator 'abacus'"),
        (["--calculator", "math:pi"], "math:pi is neither a calculator class"),
        (["--relaxer", "no-such-model"], "no model 'no-such-model'"),
        (["--relaxer", "in.extxyz"], "in.extxyz"),
        (["--fmax", "-1"], "-1: must be greater than 0"),
        (["--jobs", "0"], "0: at least one process"),
        (["--memory", "1e-9"], "1e-09: a worker needs 0.25 GiB"),
        (["--reference", "none.csv"], "none.csv"),
        (["--materials-project"], "MP_API_KEY"),
        (["--cluster", "none.toml"], "cannot read none.toml"),
        (["--scheduler", "tcp://127.0.0.1:9"], "no Dask scheduler answers"),
        (["other.cif"], "cannot read"),
        ([], "name files of structures, or what to --generate"),
        (["--generate", "NaCl -o elsewhere.extxyz"], "without -o"),
        (["--generate", "NaCl --shard 1/2"], "--shard"),
        (["--generate", "NaCl --many"], "--many"),
        (["--generate", "NaCl 'K"], "quotation"),
        (["--generate", "Xx"], "Xx"),
        (["--generate", ""], "an argument is empty"),
    ],
)
def test_nonsense_is_one_line_and_exit_code_2(
    run: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.delenv("MP_API_KEY", raising=False)
    monkeypatch.setattr("asegen.parallel.cluster.SECONDS", 1)
    given = ["in.extxyz"] if arguments and arguments[0].startswith("-") and "--generate" not in arguments else []
    given += ["--workdir", "run", "--calculator", "emt", *arguments]
    if {"--cluster", "--scheduler"}.isdisjoint(arguments) and "--jobs" not in arguments:
        given += ["--jobs", "1"]
    with pytest.raises(SystemExit) as stop:
        main(["screen", *given])
    assert stop.value.code == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("asegen: error:") and message in last


def test_candidates_are_drawn_before_they_are_screened(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["screen", "--workdir", "run", "--calculator", "emt", "--jobs", "1", "--relaxer", "none"]
    command += ["--stages", "dedup,relax,compare,hull"]
    drawn = "Cu3Au CuAu --method template --rank emt -n 5 --keep 3 --quick --device cpu"
    main([*command, "--generate", drawn])
    capsys.readouterr()
    candidates, found = read("run/candidates.extxyz", ":"), Path("run/results.csv").read_bytes()
    assert {a.info["ranked_by"] for a in candidates} == {"emt"}
    assert len(list(csv.DictReader(Path("run/results.csv").open()))) == len(candidates)
    main([*command, "--generate", drawn])
    assert "is complete" in capsys.readouterr().err and Path("run/results.csv").read_bytes() == found
    with pytest.raises(SystemExit):
        main([*command, "--generate", drawn + " --seed 1"])
    assert "other arguments" in capsys.readouterr().err


def test_where_nothing_is_on_target_the_nearest_is_named(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write("in.extxyz", [bulk("Al"), bulk("Cu"), bulk("Au")])
    with pytest.raises(SystemExit) as stop:
        screen("--relaxer", "none", "--stages", "relax,targets", "--target", "density=100..")
    told = capsys.readouterr().err.splitlines()[-1]
    assert stop.value.code == 2 and "none of 3 candidates is left" in told
    assert "nearest to density=100..: c000003 (Au) has density: 19" in told and told.endswith("g/cm³")


def test_no_candidate_left_is_an_error_with_the_tables_written(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write("in.extxyz", [molecule("H2O"), molecule("CO2")])
    with pytest.raises(SystemExit) as stop:
        screen("--relaxer", "none")
    told = capsys.readouterr()
    assert stop.value.code == 2 and "none of 2 candidates is left" in told.err.splitlines()[-1]
    assert "2 rejected" in told.out and len(list(csv.DictReader(Path("run/results.csv").open()))) == 2
    assert {"results.extxyz", "results.db", "report.html"} <= {path.name for path in Path("run").iterdir()}


def test_a_folder_of_another_screening_is_refused(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    screen("--stages", "read")
    write("in.extxyz", bulk("Al"))
    with pytest.raises(SystemExit):
        screen("--stages", "read")
    assert "is not what it was" in capsys.readouterr().err
