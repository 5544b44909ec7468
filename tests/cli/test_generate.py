"""`asegen generate` as a user runs it: results, shards, kills, and bad input."""

import json
import signal
import time
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.io import read
from safetensors.torch import save_file

from asegen.calculators import Generator, open_source
from asegen.cli.main import main
from asegen.errors import Reason
from asegen.structures.formats import DATABASE, TRAJECTORY, output_format
from asegen.structures.reading_back import read_back
from asegen.trained.samplers import DEFAULT_MODEL
from asegen.trained.weights import find_weights

OUTPUTS = ["a.extxyz", "a.cif", "a.traj", "a.db", "folder"]


def generate(*args: str) -> None:
    main(["generate", "--device", "cpu", "--quick", "--steps", "3", "--method", "diffusion", *args])


def test_by_default_known_types_and_models_take_turns(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    out = tmp_path / "a.extxyz"
    arguments = ["generate", "LiF", "RaO", "-n", "4", "--quick", "--device", "cpu", "--steps", "12", "-o", str(out)]
    main(arguments)
    printed, found = capsys.readouterr(), read(out, ":")
    assert "template" in printed.out and "diffusion" in printed.out
    assert "e_hull" in printed.out and all("e_hull_predicted" in atoms.info for atoms in found[:4])
    assert all("Ra" in atoms.info["e_hull_missing"] for atoms in found[4:])
    expected = Generator(open_source(device="cpu", quick=True)).generate(["LiF", "RaO"], n=4, steps=12)
    assert [a.info for a in found] == [a.info for a in expected]
    assert [a.info["source"] for a in found[4:]] == ["template"] * 4  # no model knows radium
    assert found[0].info["spacegroup"] == 225
    main([*arguments, "--resume"])
    assert "complete" in capsys.readouterr().err


def test_where_nothing_is_on_target_the_nearest_is_named(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    out = tmp_path / "a.extxyz"
    arguments = ["generate", "NaCl", "KCl", "--method", "template", "--device", "cpu", "-o", str(out)]
    with pytest.raises(SystemExit) as stop:
        main([*arguments, "--target", "density=..0.01"])
    told = capsys.readouterr()
    assert stop.value.code == 2 and not list(tmp_path.iterdir()) and not told.out
    assert "none of 2 structures meets density=..0.01; the nearest, KCl, has density: " in told.err.splitlines()[-1]
    main([*arguments, "--target", "density=..0.01", "--shard", "1/2"])  # other parts may have what is asked for
    assert "note: none of" in capsys.readouterr().err and not list(tmp_path.iterdir())
    main([*arguments, "--target", "density=..2.0"])
    assert "note: 1 fewer than asked for: off target, density=..2; the nearest, NaCl, has" in capsys.readouterr().err


def test_copies_are_said_where_a_group_leaves_nothing_else(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    arguments = ["generate", "NaCl", "--spacegroup", "230", "--device", "cpu"]
    main([*arguments, "-n", "2", "-o", str(tmp_path / "a.extxyz")])
    told = capsys.readouterr().err
    assert "note: 1 of 2 is the same crystal as another one (samples 1); other cells (--multiples)" in told
    main([*arguments, "--quick", "--steps", "3", "-o", str(tmp_path / "b.extxyz")])
    assert "same crystal" not in capsys.readouterr().err


def test_who_names_a_model_gets_that_model(tmp_path: Path) -> None:
    own = str(find_weights(DEFAULT_MODEL))
    arguments = ["generate", "SrTiO3", "-n", "2", "--quick", "--device", "cpu", "--steps", "3", "--model", own]
    main([*arguments, "-o", str(tmp_path / "a.extxyz")])
    main([*arguments, "--method", "diffusion", "-o", str(tmp_path / "b.extxyz")])
    assert (tmp_path / "a.extxyz").read_bytes() == (tmp_path / "b.extxyz").read_bytes()
    main([*arguments, "--method", "template", "-o", str(tmp_path / "c.extxyz")])
    assert read(tmp_path / "c.extxyz").info["source"] == "template"


def test_formula_table_and_picture(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    generate(
        "SrTiO3", "--max-atoms", "10", "-n", "3", "-o", str(tmp_path / "a.extxyz"), "--plot", str(tmp_path / "a.png")
    )
    printed = capsys.readouterr()
    assert "3 structures in" in printed.out and printed.out.count("TiO3 ") + printed.out.count("Ti2O6 ") == 3
    assert "structures 3/3" in printed.err and "Traceback" not in printed.err
    assert len(read(tmp_path / "a.extxyz", ":")) == 3
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", ["a.extxyz", "a.cif", "a.traj", "a.db", "folder/"])
def test_every_format_holds_the_same_and_a_finished_run_is_known_again(
    tmp_path: Path, capsys: pytest.CaptureFixture, name: str
) -> None:
    arguments = ["NaCl", "Cu", "-n", "2", "--batch", "3", "--seed", "2"]
    generate(*arguments, "-o", str(tmp_path / name))
    first = capsys.readouterr().out
    expected = Generator(open_source("diffusion", device="cpu", quick=True), batch_size=3).generate(
        ["NaCl", "Cu"], n=2, seed=2, steps=3
    )
    found = list(read_back(tmp_path / name, output_format(name)))
    assert [a.info for a in found] == [a.info for a in expected]
    np.testing.assert_allclose([a.get_volume() for a in found], [a.get_volume() for a in expected], rtol=1e-5)
    generate(*arguments, "-o", str(tmp_path / name), "--resume")
    again = capsys.readouterr()
    assert again.out == first and "complete" in again.err
    with pytest.raises(SystemExit) as caught:
        generate(*arguments[:-1], "3", "-o", str(tmp_path / name), "--resume")
    assert caught.value.code == 2 and "other arguments" in capsys.readouterr().err


def test_valid_only_leaves_out_what_stays_invalid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr("asegen.generation.drawing.MAX_ATTEMPTS", 2)
    monkeypatch.setattr(
        "asegen.generation.drawing.check_atoms",
        lambda atoms: Reason("no atoms", "none of sodium") if 11 in atoms.numbers else None,
    )
    generate("NaCl", "Cu", "-n", "2", "--valid-only", "-o", str(tmp_path / "a.extxyz"))
    printed = capsys.readouterr()
    assert [a.info["formula"] for a in read(tmp_path / "a.extxyz", ":")] == ["Cu", "Cu"]
    assert "2 left out (samples 0, 1)" in printed.out
    assert printed.err.count("is left out: no atoms: none of sodium") == 2


@pytest.mark.parametrize("valid_only", [False, True])
@pytest.mark.parametrize("name", OUTPUTS)
def test_every_sample_ends_with_one_status(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, name: str, valid_only: bool
) -> None:
    def judge(atoms: Atoms) -> Reason | None:  # some cells that no format with cell lengths and angles can hold
        kind = next(counter) % 3
        if kind == 0:
            atoms.cell[:] = np.nan
        return [Reason("bad cell", "not finite"), None, Reason("overlapping atoms", "all")][kind]

    counter = count()
    monkeypatch.setattr("asegen.generation.drawing.check_atoms", judge)
    monkeypatch.setattr("asegen.generation.drawing.MAX_ATTEMPTS", 1)
    generate("Cu", "-n", "9", *(["--valid-only"] if valid_only else []), "-o", str(tmp_path / name))
    printed = capsys.readouterr()
    kept = {a.info["sample_index"]: a.info["valid"] for a in read_back(tmp_path / name, output_format(name))}
    missing = set(range(9)) - set(kept)
    assert missing == ({0, 2, 3, 5, 6, 8} if valid_only else {0, 3, 6} if name in ("a.cif", "folder") else set())
    assert f"{len(kept)} structures in" in printed.out and f"{sum(kept.values())} valid" in printed.out
    assert f"{9 - len(missing) - 3} not" in printed.out
    assert not missing or f"(samples {', '.join(map(str, sorted(missing)))})" in printed.out
    assert printed.err.count("is left out: ") == len(missing)


def test_an_output_that_was_cut_is_not_called_complete(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    generate("Cu", "-n", "2", "-o", str(tmp_path / "a.extxyz"))
    lines = (tmp_path / "a.extxyz").read_text().splitlines(keepends=True)
    (tmp_path / "a.extxyz").write_text("".join(lines[:3]))
    with pytest.raises(SystemExit) as caught:
        generate("Cu", "-n", "2", "-o", str(tmp_path / "a.extxyz"), "--resume")
    assert caught.value.code == 2 and "holds 1 of 2 structures" in capsys.readouterr().err


def test_a_picture_that_cannot_be_written_is_said_before_the_work(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    with pytest.raises(SystemExit) as caught:
        generate("Ni", "-n", "2", "-o", str(tmp_path / "a.extxyz"), "--plot", "/dev/null/a.png")
    printed = capsys.readouterr()
    assert caught.value.code == 2 and "can't write /dev/null/a.png" in printed.err.splitlines()[-1]
    assert printed.out == "" and not list(tmp_path.iterdir())


def test_cells_larger_than_any_in_training_are_remarked_on(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    generate("C60", "-o", str(tmp_path / "a.extxyz"))
    said = capsys.readouterr().err
    assert "cells of up to 60 atoms" in said and "note: C60: 60 atoms of C in the cell" in said


def test_from_table_carries_ids(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("material_id,formula,n_atoms\nmp-1,NaCl,4\nmp-2,Cu,\n")
    generate("--from", str(tmp_path / "in.csv"), "-o", str(tmp_path / "a.extxyz"))
    found = {a.info["material_id"]: a.get_chemical_formula() for a in read(tmp_path / "a.extxyz", ":")}
    assert found == {"mp-1": "Cl2Na2", "mp-2": "Cu"}


def test_system(tmp_path: Path) -> None:
    generate("--system", "Li-O", "--max-atoms", "4", "-n", "9", "-o", str(tmp_path / "a.extxyz"))
    found = read(tmp_path / "a.extxyz", ":")
    assert len(found) == 9 and max(map(len, found)) <= 4
    assert {"Li", "O"} < {a.get_chemical_formula("metal", empirical=True) for a in found}


def test_shards_together_are_the_whole_run(tmp_path: Path) -> None:
    arguments = ["NaCl", "SrTiO3", "--multiples", "1,2", "-n", "4", "--batch", "3", "--seed", "5"]
    generate(*arguments, "-o", str(tmp_path / "whole.extxyz"))
    for k in (1, 2, 3):
        generate(*arguments, "--shard", f"{k}/3", "-o", str(tmp_path / f"part{k}.extxyz"))
    whole = sorted(read(tmp_path / "whole.extxyz", ":"), key=lambda a: a.info["sample_index"])
    parts = [a for k in (1, 2, 3) for a in read(tmp_path / f"part{k}.extxyz", ":")]
    parts.sort(key=lambda a: a.info["sample_index"])
    assert len(parts) == 16 and all(a == b and a.info == b.info for a, b in zip(whole, parts, strict=True))


def test_a_shard_without_anything_to_draw_says_so(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    generate("NaCl", "KCl", "--shard", "3/3", "-o", str(tmp_path / "a.extxyz"))
    told = capsys.readouterr().err
    assert "note: shard 3/3: there are fewer parts to share out" in told and not list(tmp_path.iterdir())


KILLS = [(signal.SIGKILL, -9), (signal.SIGTERM, 143), (signal.SIGINT, 130)]
LONG_RUN = ["generate", "NaCl", "Cu", "-n", "6", "--batch", "2", "--seed", "3", "--device", "cpu", "--steps", "15"]
LONG_RUN += ["--quick", "--method", "diffusion"]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """`LONG_RUN`'s output under a name, made when it is first asked for."""
    place = tmp_path_factory.mktemp("undisturbed")

    def output(name: str) -> Path:
        if not (place / name).exists():
            main([*LONG_RUN, "-o", str(place / name)])
        return place / name

    return output


def stop_after(
    forked: Callable[..., Any], out: Path, batches: int, kill: signal.Signals, resume: bool = False
) -> tuple[int, str]:
    """Sends a signal to `LONG_RUN` once some batches are on disk; its exit code and what it printed as errors."""
    journal = out.with_name(f"{out.name}.part.json")
    process = forked([*LONG_RUN, "-o", str(out), *(["--resume"] if resume else [])])
    while process.is_alive and not (journal.exists() and json.loads(journal.read_text())["batches"] >= batches):
        time.sleep(0.01)
    process.send(kill)
    return process.end()


@pytest.mark.parametrize(
    ("kill", "code", "name"),
    [
        # A SIGTERM unwinds as a SIGINT does, see tests/cli/test_main.py.
        pytest.param(kill, code, name, marks=() if name == OUTPUTS[k] and kill != signal.SIGTERM else pytest.mark.slow)
        for k, (kill, code) in enumerate(KILLS)
        for name in OUTPUTS
    ],
)
def test_a_killed_run_resumes_to_the_same_result(
    tmp_path: Path,
    forked: Callable[..., Any],
    undisturbed: Callable[[str], Path],
    kill: signal.Signals,
    code: int,
    name: str,
) -> None:
    returned, errors = stop_after(forked, tmp_path / name, 1, kill)
    assert returned == code, "the signal came too late" if returned == 0 else errors
    assert "Traceback" not in errors and not (tmp_path / name).exists()
    assert kill == signal.SIGKILL or "--resume goes on" in errors
    main([*LONG_RUN, "-o", str(tmp_path / name), "--resume"])
    assert_same_result(tmp_path / name, undisturbed(name))
    assert [p.name for p in tmp_path.iterdir()] == [name]


@pytest.mark.slow
def test_a_run_killed_again_and_again_comes_to_its_end(
    tmp_path: Path, forked: Callable[..., Any], undisturbed: Callable[[str], Path]
) -> None:
    out = tmp_path / "a.extxyz"
    for batches, (kill, code) in zip((1, 2, 4), KILLS, strict=True):
        returned, errors = stop_after(forked, out, batches, kill, resume=batches > 1)
        assert returned == code, errors
    main([*LONG_RUN, "-o", str(out), "--resume"])
    assert_same_result(out, undisturbed(out.name))


def assert_same_result(out: Path, expected: Path) -> None:
    kind = output_format(str(out))
    found, wanted = list(read_back(out, kind)), list(read_back(expected, kind))
    assert len(found) == 12 and [a.info for a in found] == [a.info for a in wanted]
    assert found == wanted
    if kind not in (TRAJECTORY, DATABASE):  # which hold the time at which they were written
        files = [[p.read_bytes() for p in sorted([q, *q.rglob("*")]) if p.is_file()] for q in (out, expected)]
        assert files[0] == files[1]


@pytest.mark.skipif(not hasattr(signal, "SIGXFSZ"), reason="no limits of file size here")
def test_a_full_disk_is_one_line_and_the_run_goes_on_when_there_is_room(
    tmp_path: Path, forked: Callable[..., Any]
) -> None:
    import resource

    arguments = ["generate", "NaCl", "-n", "8", "--batch", "2", "--device", "cpu", "--quick", "--steps", "3"]
    arguments += ["--method", "diffusion", "-o"]
    main([*arguments, str(tmp_path / "whole.extxyz")])
    out, part = tmp_path / "a.extxyz", tmp_path / "a.extxyz.part.extxyz"
    room = int((tmp_path / "whole.extxyz").stat().st_size * 0.6)  # a write goes as far as there is room, then fails
    limit = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (room, room))
    code, error = forked([*arguments, str(out)], before=limit).end()
    assert code == 2 and not out.exists()
    assert error.startswith("asegen: error: can't write") and error.count("\n") == 1
    assert 0 < len(read(part, ":", format="extxyz")) < 8  # whole frames only
    main([*arguments, str(out), "--resume"])
    assert out.read_bytes() == (tmp_path / "whole.extxyz").read_bytes() and not part.exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_output_that_takes_nothing(tmp_path: Path, forked: Callable[..., Any], capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as caught:
        generate("NaCl", "-o", "/dev/full")
    assert caught.value.code == 2 and capsys.readouterr().err.count("\n") == 1
    arguments = ["generate", "NaCl", "--device", "cpu", "--quick", "--steps", "3", "--method", "diffusion", "-o"]
    with open("/dev/full", "w") as full:  # the table has no place; the structures are there
        code, error = forked([*arguments, str(tmp_path / "a.extxyz")], full.fileno()).end()
    assert code == 2 and "Traceback" not in error
    assert error.splitlines()[-1].startswith("asegen: error: ")
    assert len(read(tmp_path / "a.extxyz", ":")) == 1


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["Xx2"], "Xx"),
        (["SrTiO-3"], "SrTiO-3"),
        ([""], "empty"),
        ([], "source"),
        (["NaCl", "--system", "Na-Cl"], "source"),
        (["NaCl", "--atoms", "0"], "0 atoms"),
        (["NaCl", "--atoms", "5000"], "5000"),
        (["NaCl", "--atoms", "3"], "3 atoms"),
        (["NaCl", "--multiples", "1,x"], "1,x"),
        (["OgO"], "Og (in OgO)"),
        pytest.param(
            ["NaCl", "--device", "cuda"],
            "'cuda' is not available",
            marks=pytest.mark.skipif(torch.cuda.is_available(), reason="there is one"),
        ),
        (["NaCl", "--seed", "9223372036854775808"], "2^63"),
        (["NaCl", "-n", "0"], "-n 0"),
        (["NaCl", "-n", "1000001"], "-n 1000001"),
        (["NaCl", "--resume", "--overwrite"], "exclude"),
        (["NaCl", "--max-atoms", "3", "--atoms", "2"], "--max-atoms and --atoms exclude"),
        (["NaCl", "--map", "Na"], "'Li:Na Co:Ni'"),
        (["NaCl", "--map", "Na:Xx"], "Xx"),
        (["NaCl", "--map", "Na:K", "--method", "diffusion"], "--map goes with known structure types"),
        (["--system", "Na-Cl", "-n", "9", "--multiples", "2"], "--system exclude"),
        (["--system", "Na-Xx", "-n", "9"], "Xx"),
        (["--system", "Na-Cl", "--max-atoms", "5000"], "5000"),
        (["NaCl", "--model", "no-such-model"], "torusflow-mp"),
        (["NaCl", "--device", "cuda:77"], "cuda:77"),
        (["NaCl", "--device", "abacus"], "abacus"),
        (["NaCl", "--shard", "3/2"], "3/2"),
        (["NaCl", "--shard", "²/3"], "²/3"),
        (["NaCl", "--multiples", "1,²"], "1,²"),
        (["NaCl", "--multiples", "9" * 5000], "whole numbers"),
        (["NaCl", "--multiples", "1,,2"], "1,,2"),
        (["NaCl", "--multiples", "0"], "at least 1"),
        (["C1001"], "1001 atoms"),
        (["NaCl", "-n", "-1"], "-1"),
        (["NaCl", "--steps", "0"], "--steps 0"),
        (["NaCl", "--batch", "0"], "--batch 0"),
        (["NaCl", "--seed", "-4"], "-4"),
        (["NaCl", "-n", "many"], "many"),
        (["--from", "no-such-file.csv"], "no-such-file.csv"),
        (["NaCl", "--plot", "a.xyz"], "a.xyz"),
        (["NaCl", "--surprise"], "--surprise"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(
    tmp_path: Path, capsys: pytest.CaptureFixture, arguments: list[str], named: str
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["generate", *arguments, "-o", str(tmp_path / "a.extxyz")])
    assert caught.value.code == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("asegen: error: ") and named in line
    assert list(tmp_path.iterdir()) == []


def test_bad_files_are_one_line_and_exit_2(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    (tmp_path / "table.csv").write_text("a,b\n1,2\n")
    (tmp_path / "header.csv").write_text("material_id,formula\n")
    (tmp_path / "row.csv").write_text("material_id,formula\nmp-2,Xx2\n")
    (tmp_path / "weights.safetensors").write_bytes(b"not weights")
    save_file({"a": torch.zeros(3)}, tmp_path / "foreign.safetensors")
    shipped = find_weights(DEFAULT_MODEL).read_bytes()
    (tmp_path / "short.safetensors").write_bytes(shipped[: len(shipped) // 2])
    (tmp_path / "header.safetensors").write_bytes(shipped[:200] + b"#" * 50 + shipped[250:])
    (tmp_path / "kept.extxyz").write_text("precious")
    (tmp_path / "kept.cif").write_text("data_precious\n_cell_length_a 1\n")
    out = ["-o", str(tmp_path / "a.extxyz")]
    for arguments, named in (
        (["--from", str(tmp_path / "table.csv"), *out], "row 0"),
        (["--from", str(tmp_path / "header.csv"), *out], "no compositions"),
        (["--from", str(tmp_path / "row.csv"), *out], "mp-2"),
        (["--from", str(tmp_path / "weights.safetensors"), *out], "weights.safetensors"),
        (["--from", str(tmp_path), *out], str(tmp_path)),
        *((["NaCl", "--model", str(tmp_path / f"{name}.safetensors"), *out], name)
          for name in ("weights", "foreign", "short", "header")),
        (["NaCl", "--model", str(tmp_path), *out], str(tmp_path)),
        (["NaCl", "-o", str(tmp_path / "kept.extxyz")], "exists"),
        (["NaCl", "-o", str(tmp_path / "kept.extxyz"), "--resume"], "kept.extxyz"),
        (["NaCl", "-o", str(tmp_path / "kept.cif"), "--resume"], "kept.cif"),
        (["NaCl", "-o", "/dev/null/a.extxyz"], "can't write"),
        (["NaCl", "-o", str(tmp_path / "a.pdf")], "a.pdf"),
        (["NaCl", "-o", str(tmp_path), "--overwrite"], "holds other files"),
    ):  # fmt: skip
        with pytest.raises(SystemExit) as caught:
            main(["generate", *arguments])
        assert caught.value.code == 2, arguments
        (line,) = capsys.readouterr().err.strip().splitlines()
        assert line.startswith("asegen: error: ") and named in line
    assert (tmp_path / "kept.extxyz").read_text() == "precious"
    assert (tmp_path / "kept.cif").read_text().startswith("data_precious")
    assert not list(tmp_path.glob("a.*"))


def test_the_order_by_likelihood_leaves_all_as_it_is_drawn(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    arguments = ["generate", "Ti2O4", "--method", "template", "--quick", "--device", "cpu", "-n", "12"]
    main([*arguments, "--order-by", "likelihood", "-o", str(tmp_path / "a.extxyz")])
    main([*arguments, "-o", str(tmp_path / "b.extxyz")])
    drawn, ordered = read(tmp_path / "a.extxyz", ":"), read(tmp_path / "b.extxyz", ":")
    priors = [atoms.info["log_prior"] for atoms in drawn]
    assert priors == sorted(priors, reverse=True)
    high = [[k for k, a in enumerate(own) if a.info["e_hull_predicted"] > 0.3] for own in (drawn, ordered)]
    assert high[0] != high[1] == list(range(12 - len(high[1]), 12))  # by default they come last
    assert len(high[1]) <= len(high[0])
    with pytest.raises(SystemExit) as caught:
        main([*arguments, "--rank", "none", "--order-by", "beauty", "-o", str(tmp_path / "c.extxyz")])
    assert caught.value.code == 2 and "beauty" in capsys.readouterr().err
