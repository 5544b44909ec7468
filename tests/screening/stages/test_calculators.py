"""Which potential and which optimiser the stages use is what the options say."""

import sys
from pathlib import Path

import pytest
from ase.build import bulk

from asegen.errors import InputError
from asegen.screening import Options
from asegen.screening.records import Candidate
from asegen.screening.stages.phonons import Phonons
from asegen.screening.stages.relax import Relax

sys.path.insert(0, str(Path(__file__).parents[1]))


def test_the_optimizer_is_the_one_that_is_asked_for() -> None:
    alloy = bulk("Cu", cubic=True, a=3.75)
    alloy.rattle(0.1, seed=2)
    calls, energies = {}, {}
    for name in ("bfgs", "fire"):
        stage = Relax.of(Options("emt", optimizer=name))
        assert stage.settings()["optimizer"] == name
        (found,) = stage.work([Candidate(1, "ok", {}, alloy)], [alloy])
        calls[name], energies[name] = found.found["force_calls"], found.found["energy"]
    assert calls["bfgs"] < calls["fire"] and energies["bfgs"] == pytest.approx(energies["fire"], abs=1e-3)
    with pytest.raises(InputError, match="no optimizer 'newton'; there are bfgs, fire"):
        Relax.of(Options("emt", optimizer="newton"))


def test_phonons_by_another_potential() -> None:
    assert Phonons.of(Options("emt")).engine.name == "emt"
    stage = Phonons.of(Options("emt", phonons_by="atomic:Atomic"))
    assert stage.engine.name == "atomic:Atomic" and "atomic 1" in stage.settings()["calculator"]
