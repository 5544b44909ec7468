"""What earlier rounds tell the next one, and records that are kept."""

import csv
import io

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.data import atomic_numbers

from asegen.discovery.balance import Balance
from asegen.discovery.cells import Cell
from asegen.discovery.families import families
from asegen.discovery.frames import frames, read_frames
from asegen.discovery.guidance import Diversity, found_cells, guidance_of, success_factors
from asegen.discovery.records import CROWDED, FATES, KEPT, LATE, UNSTABLE, Record, as_csv, funnel
from asegen.discovery.state import RunState
from asegen.discovery.target_model import KernelMean, TargetModel
from asegen.errors import InputError


def cell(**counts: int) -> Cell:
    return Cell.of(1, {atomic_numbers[symbol]: n for symbol, n in counts.items()})


def record(one: Cell, fate: str, number: int = 0) -> Record:
    return Record(number, 0, one, "X", "Y", fate, 'a, "reason"', {"e_hull": 0.1, "novelty": "new type"})


SALT, PEROVSKITE = cell(Na=1, Cl=1), cell(Sr=1, Ti=1, O=3)


def test_success_is_a_share_with_doubt() -> None:
    records = [record(SALT, fate) for fate in [KEPT, CROWDED, UNSTABLE, LATE]] + [record(PEROVSKITE, UNSTABLE)] * 5
    found = success_factors(records)
    average = 2 / 8
    assert found[1, 1] == pytest.approx((2 + 4 * average) / (3 + 4) / average)
    assert found[1, 1, 3] == pytest.approx(4 * average / (5 + 4) / average)
    assert success_factors([record(SALT, UNSTABLE)]) == {}
    assert found_cells(records) == [SALT]


def test_what_was_predicted_teaches_the_targets() -> None:
    cells = [SALT, PEROVSKITE]
    known = TargetModel(KernelMean(cells, [0.2, 0.4]), KernelMean([], [], 0.5))
    hit = Record(0, 0, SALT, "X", "Y", CROWDED, "", {"target_probability": 1.0})
    unstable = Record(1, 0, SALT, "X", "Y", UNSTABLE, "", {"target_probability": 1.0})
    guidance = guidance_of([hit, record(PEROVSKITE, KEPT)], known)
    assert guidance.tried == {SALT.formula, PEROVSKITE.formula} and guidance.found == [PEROVSKITE]
    assert guidance.targets is not None
    before, after = (model.probabilities([SALT, PEROVSKITE]) for model in (known, guidance.targets))
    assert after[0] > before[0] + 0.1 and after[1] == pytest.approx(before[1], abs=1e-3)
    worse = guidance_of([unstable], known).targets
    assert worse is not None and worse.probabilities([SALT])[0] < before[0]
    assert guidance_of([hit], None).targets is None


def test_elements_that_there_is_too_much_of_are_chosen_less() -> None:
    known = [cell(La=1, Ni=1)] * 5 + [SALT] * 5
    candidates = [cell(**{symbol: 1, "Ni": 1}) for symbol in ("La", "Ce", "Pr", "Nd")] + [SALT, cell(K=1, Cl=1)]
    scores = np.array([1.0, 1.0, 1.0, 1.0, 0.0, 0.0])
    balance = Balance(known)
    assert balance.choose(scores, candidates, 1, [])[0] == 0  # the first of the highest scores
    assert balance.choose(scores, candidates, 1, [cell(La=1, Ni=1)] * 30)[0] in (4, 5)
    chosen = balance.choose(scores, candidates, 6, [])
    assert sorted(chosen) == list(range(6)) and set(chosen[:4]) & {4, 5}
    towards_salt = Balance(known, np.array([0.0] * 5 + [1.0] * 5))
    assert towards_salt.choose(scores, candidates, 1, [cell(La=1, Ni=1)] * 8)[0] in (4, 5)


def test_what_is_alike_is_counted_by_families_and_types() -> None:
    lanthanides = [cell(**{symbol: 1, "Ni": 5}) for symbol in ("La", "Ce", "Pr", "Y")]
    diversity = Diversity(2)
    assert [diversity.takes(one, "191") for one in lanthanides] == [True, True, False, False]
    assert diversity.takes(lanthanides[0], "225") and diversity.takes(cell(Ca=1, Ni=5), "191")
    assert families((57, 26)) == ("lanthanide", "transition metal") and families((1,)) == ("hydrogen",)
    assert families((92,)) == ("actinide",) and families((17,)) == families((35,)) != families((16,))


def test_records_survive_json_and_make_a_table() -> None:
    records = [record(SALT, KEPT), record(PEROVSKITE, UNSTABLE, 1)]
    assert [Record.from_json(one.as_json()) for one in records] == records
    rows = list(csv.DictReader(io.StringIO(as_csv(records))))
    assert [row["fate"] for row in rows] == [KEPT, UNSTABLE] and rows[0]["reason"] == 'a, "reason"'
    assert rows[1]["novelty"] == "new type" and rows[1]["prototype"] == ""
    count = dict(funnel(records))
    assert list(count) == list(FATES) and count[KEPT] == count[UNSTABLE] == 1 and sum(count.values()) == 2


def test_frames_are_exact() -> None:
    atoms = bulk("NaCl", "rocksalt", a=5.640000000000001)
    atoms.rattle(0.1, seed=1)
    atoms.info = {"formula": "NaCl", "e_hull": 0.1234, "valid": True, "n": 3, "known": np.bool_(True)}
    (back,) = read_frames(frames([atoms]))
    assert back == atoms and (back.positions == atoms.positions).all() and back.info == atoms.info


def test_a_state_is_that_of_one_run(tmp_path: object) -> None:
    out = f"{tmp_path}/out.extxyz"
    state = RunState(out, 2, {"seed": 1})
    state.records.append(record(SALT, KEPT))
    state.kept.append(Atoms("H", pbc=True, cell=[3, 3, 3], info={"run": state.label}))
    state.rounds = 1
    state.save()
    again = RunState(out, 2, {"seed": 1}, resume=True)
    assert again.rounds == 1 and again.records == state.records and again.kept == state.kept
    with pytest.raises(InputError, match=r"other options \(seed = 1 → 2\)"):
        RunState(out, 2, {"seed": 2}, resume=True)
    with pytest.raises(InputError, match="exists"):
        RunState(out, 2, {"seed": 1})
    again.finish()
    assert RunState(out, 2, {"seed": 1}, resume=True).was_complete
    with pytest.raises(InputError, match="other arguments"):
        RunState(out, 2, {"seed": 2}, resume=True)
