"""Structures that have the properties asked for, in memory and in files that are resumed."""

from pathlib import Path

import pytest
from ase.io import read

from asegen import Generator
from asegen.errors import InputError
from asegen.structures.validity import density

FORMULAS = ["NaCl", "KCl", "PbTe", "MgO"]


def test_what_is_off_target_is_left_out() -> None:
    everything = Generator("template").generate(FORMULAS, seed=1)
    dense = Generator("template", targets=["density=..3"]).generate(FORMULAS, seed=1)
    assert [a.info["formula"] for a in dense] == [a.info["formula"] for a in everything if density(a) <= 3]
    assert 0 < len(dense) < len(everything)
    for atoms in dense:
        assert (
            atoms.info["density"] == pytest.approx(density(atoms), abs=1e-3) and atoms.info["target_probability"] == 1
        )


def test_a_run_can_be_resumed_and_has_its_targets_in_its_fingerprint(tmp_path: Path) -> None:
    out = tmp_path / "out.extxyz"
    run = Generator("template", targets={"density": (None, 3)}).run(FORMULAS, out, seed=1)
    assert len(run.missing) == len(FORMULAS) - len(read(out, ":"))
    again = Generator("template", targets={"density": (None, 3)}).run(FORMULAS, out, seed=1, resume=True)
    assert again.was_complete
    for others in ({"density": (None, 4)}, {"density": (None, 3), "n_elements": (1, 9)}, ()):
        with pytest.raises(InputError, match="written with other arguments"):
            Generator("template", targets=others).run(FORMULAS, out, seed=1, resume=True)


def test_nothing_is_written_of_nothing_and_an_empty_output_is_no_other_runs_result(tmp_path: Path) -> None:
    out = tmp_path / "out.extxyz"
    generator = Generator("template", targets={"density": (None, 0.01)})
    none = generator.run(FORMULAS, out, seed=1)
    assert len(none.missing) == len(FORMULAS) and not list(tmp_path.iterdir())
    lightest = min(density(atoms) for atoms in Generator("template").generate(FORMULAS, seed=1))
    assert generator.off_target == f"density=..0.01; the nearest, KCl, has density: {lightest:.3g} g/cm³"
    out.touch()
    some = Generator("template", targets={"density": (None, 3)}).run(FORMULAS, out, seed=1, resume=True)
    assert not some.was_complete and len(read(out, ":")) == len(FORMULAS) - len(some.missing) > 0


def test_an_unknown_property_is_refused() -> None:
    with pytest.raises(InputError, match="no such property"):
        Generator("template", targets=["colour=1..2"])
