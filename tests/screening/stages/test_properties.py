"""Predicted properties are columns of a screening: what `asegen predict` says of the relaxed crystals."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from ase import Atoms
from ase.build import bulk

from asegen.calculators.property import predict
from asegen.parallel.workforce import Workforce
from asegen.prototypes.sources import open_library
from asegen.screening import read_atoms, screen
from asegen.screening.records import Candidate
from asegen.screening.stages.properties import PREDICTED, Properties
from asegen.trained.weights import shipped_weights

ENERGY = "formation_energy_per_atom"


def test_columns_are_what_the_weights_say(tmp_path: Path) -> None:
    oganesson = Atoms("Og", cell=[3, 3, 3], pbc=True)  # no network has seen it
    asked = {"stages": ["properties"], "relaxer": None, "workforce": Workforce(ThreadPoolExecutor(1), lambda: 1)}
    salt, strange = screen([bulk("NaCl", "rocksalt", 5.6), oganesson], tmp_path / "run", **asked)
    crystal = read_atoms(tmp_path / "run", salt.id)
    assert set(PREDICTED) <= set(shipped_weights()) and "alignn-band-gap" in PREDICTED
    for weights, column in PREDICTED.items():
        (one,) = predict([crystal], weights)
        values = [value for name, value in one.values.items() if not name.endswith("_std")]
        assert salt[column.name] == pytest.approx(values[0], abs=1e-4)
        assert strange[column.name] is None
    known = open_library("mp").of_composition({11: 1, 17: 1}, 40)[0][1]  # rock salt, which lies on the hull
    above = salt["formation_energy_predicted"] - predict([known], "alignn-formation-energy")[0].values[ENERGY]
    assert salt["e_hull_predicted"] == pytest.approx(above, abs=1e-3) and strange["e_hull_predicted"] is None
    assert any("no band_gap_predicted" in note for note in strange.notes)


def test_what_is_predicted_far_below_the_hull_is_doubtful() -> None:
    crystals = [bulk("NaCl", "rocksalt", 5.6), bulk("Cl", "fcc", 2.6)]
    (salt, chlorine) = Properties("cpu").work([Candidate(k, "ok", {}, c) for k, c in enumerate(crystals)], None)
    assert chlorine.found["e_hull_predicted"] < -0.2 and salt.notes == ()
    (note,) = chlorine.notes
    assert note.startswith("e_hull_predicted is doubtful: more than 0.1 eV/atom below the hull")
