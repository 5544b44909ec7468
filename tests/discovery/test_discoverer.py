"""Whole runs, by predictions alone, in a small chemical system: what is kept, resumed, shared out, and recorded."""

import pickle
from pathlib import Path

import numpy as np
import pandas
import pytest
from ase import Atoms
from ase.io import read

from asegen.discovery.discoverer import Discoverer, Progress
from asegen.discovery.records import FATES
from asegen.errors import InputError
from asegen.hull.table import shipped_hull

CHEMISTRY = {"elements": "Li Na K | O S Se | *", "max_atoms": 8, "potential": "none", "candidates": 2}


@pytest.fixture(autouse=True)
def small_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that runs are short, and have several."""
    monkeypatch.setattr("asegen.discovery.loop.ROUND", 3)


@pytest.fixture(scope="module")
def discoverer() -> Discoverer:
    return Discoverer(**CHEMISTRY, source="template", e_hull=0.1)


class Killed(Exception):
    """Instead of a signal."""


def kill_after(rounds: int) -> object:
    seen: list[Progress] = []

    def report(progress: Progress) -> None:
        seen.append(progress)
        if len(seen) > rounds:
            raise Killed

    return report


def structures(path: Path) -> list[Atoms]:
    found = read(path, ":")
    assert isinstance(found, list)
    return found


@pytest.mark.slow
def test_a_killed_run_goes_on_to_the_same_bytes(discoverer: Discoverer, tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole.extxyz", tmp_path / "killed.extxyz"
    found = discoverer.run(whole, np.int64(6), seed=np.int64(3))
    for rounds in (0, 1, 1):
        with pytest.raises(Killed):
            discoverer.run(killed, 6, seed=3, resume=True, report=kill_after(rounds))
        assert not killed.exists()
    discoverer.run(killed, 6, seed=3, resume=True)
    assert killed.read_bytes() == whole.read_bytes()
    tables = [path.with_name(path.name + ".proposals.csv") for path in (whole, killed)]
    assert tables[0].read_bytes() == tables[1].read_bytes()
    again = discoverer.run(whole, 6, seed=3, resume=True)
    assert again.was_complete and again.funnel == found.funnel
    with pytest.raises(InputError, match="other arguments"):
        discoverer.run(whole, 6, seed=4, resume=True)
    with pytest.raises(InputError, match="exists"):
        discoverer.run(whole, 6, seed=3)


def test_what_is_kept_is_what_was_asked_for(discoverer: Discoverer, tmp_path: Path) -> None:
    found = discoverer.run(tmp_path / "found.extxyz", 3, seed=1)
    table = pandas.read_csv(tmp_path / "found.extxyz.proposals.csv")
    assert len(found.structures) == 3 and sum(count for _, count in found.funnel) == len(table)
    assert set(table["fate"]) <= set(FATES) and (table["fate"] == "kept").sum() == 3
    assert not table["formula"].duplicated().any() and table.loc[table["fate"] != "kept", "fate"].notna().all()
    for written in structures(tmp_path / "found.extxyz"):
        counts = {int(z): list(written.numbers).count(z) for z in set(written.numbers)}
        assert len(counts) == 3 and set(counts) & {3, 11, 19} and set(counts) & {8, 16, 34}
        assert len(written) <= 8 and not shipped_hull().knows(counts)
        assert written.info["e_hull_predicted"] <= 0.1 and not written.info["known_composition"]
        assert written.info["material_id"] in {f"1-1-{k}" for k in table["number"]}


@pytest.mark.slow
def test_the_same_seed_finds_the_same_and_shards_share_nothing(discoverer: Discoverer) -> None:
    (one,), (same,) = (discoverer.discover(1, seed=2, proposals=8) for _ in range(2))
    assert one == same and one.info == same.info
    parts = [discoverer.run(None, 2, seed=2, shard=f"{k}/2", proposals=8) for k in (1, 2)]
    formulas = [{str(atoms.symbols) for atoms in part.structures} for part in parts]
    assert not formulas[0] & formulas[1]


@pytest.mark.slow
def test_targets_are_met_recorded_and_remembered(tmp_path: Path) -> None:
    out, wanted = tmp_path / "found.extxyz", ["density=..3", "n_elements=3"]
    found = Discoverer(**CHEMISTRY, source="template", targets=wanted).run(out, 2, seed=1, proposals=16)
    for atoms in found.structures:
        assert atoms.info["density"] <= 3 and atoms.info["n_elements"] == 3 and atoms.info["target_probability"] == 1
    table = pandas.read_csv(f"{out}.proposals.csv")
    assert found.structures
    assert table["target_probability"].notna().sum() > 2  # of what isn't kept too: the next round learns from it
    for others in (["density=..4", "n_elements=3"], wanted[:1], []):
        with pytest.raises(InputError, match="other arguments"):
            Discoverer(**CHEMISTRY, source="template", targets=others).run(out, 2, seed=1, proposals=16, resume=True)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"targets": ["n_atoms=30.."], "max_atoms": 20}, "contradicts"),
        ({"elements": "Li | O", "exclude": "O"}, "leaves nothing"),
        ({"elements": "Li | Li"}, "differ"),
        ({"elements": "Li | O", "system": "Li-O"}, "exclude each other"),
        ({"elements": "Li | O | N | F | *"}, "more than max_elements"),
        ({"spacegroups": "cubic,300"}, "1 to 230"),
        ({"new": "everything"}, "is not one of"),
        ({"proposal": "magic"}, "is not one of"),
        ({"potential": "nope"}, "no calculator"),
        ({"candidates": 0}, "at least 1"),
        ({"e_hull": float("nan")}, "a number is needed"),
        ({"e_hull": 0.0}, "e_hull = 0: more than 0 eV/atom is needed"),
        ({"e_hull": -0.05, "potential": "chgnet"}, "e_hull = -0.05: more than -0.05 eV/atom is needed"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(arguments: dict[str, object], word: str) -> None:
    with pytest.raises(InputError, match=word) as refused:
        Discoverer(**{"potential": "none", "source": "template"} | arguments).discover(1)
    assert "\n" not in str(refused.value)


def test_it_goes_through_a_pickle(discoverer: Discoverer) -> None:
    pytest.importorskip("chgnet")
    for one in (discoverer, Discoverer(source="template", potential="chgnet", targets=["density=..4"])):
        again = pickle.loads(pickle.dumps(one))
        assert repr(again) == repr(one) and again._settings == one._settings


def test_without_a_potential_energies_are_left_to_predictions() -> None:
    none, named = (Discoverer(source="template", potential=potential) for potential in (None, "none"))
    assert none._settings == named._settings
