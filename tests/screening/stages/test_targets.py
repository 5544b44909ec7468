"""Candidates that lack a property asked for end with a status of their own, and get no rank."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas
import pytest
from ase.build import bulk

from asegen.errors import InputError
from asegen.parallel.workforce import Workforce
from asegen.screening import screen
from asegen.structures.validity import density

THREADS = Workforce(ThreadPoolExecutor(1), lambda: 1)
"""Quick to start; nothing here harms a worker."""
GIVEN = [bulk("Al", a=4.0), bulk("Cu", a=3.6), bulk("Au", a=4.1)]


def test_what_is_off_target_is_out_of_the_ranking(tmp_path: Path) -> None:
    stages = ["relax", "targets"]
    found = screen(GIVEN, tmp_path, "emt", stages=stages, relaxer=None, targets=["density=..10"], workforce=THREADS)
    statuses = {result["formula"]: result.status for result in found}
    assert statuses == {"Al": "ok", "Cu": "ok", "Au": "off target"} and density(GIVEN[1]) < 10 < density(GIVEN[2])
    gold = next(result for result in found if result["formula"] == "Au")
    assert gold.rank is None and "density" in str(gold.reason)
    table = pandas.read_csv(tmp_path / "results.csv")
    assert sorted(table["target_probability"]) == [0, 1, 1]
    with pytest.raises(InputError):
        screen(GIVEN, tmp_path, "emt", stages=stages, relaxer=None, targets=["density=..12"], workforce=THREADS)


def test_bad_targets_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such property"):
        screen(GIVEN, tmp_path, "emt", targets=["colour=1..2"])
