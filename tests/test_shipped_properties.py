"""The shipped property networks against known values."""

from importlib import resources

import pytest
from ase import Atoms
from ase.build import bulk
from ase.spacegroup import crystal

from asegen.calculators.property import predict
from asegen.models.checkpoint import read_header
from asegen.trained import find_weights, shipped_weights
from asegen.training.registry import PREDICTORS

SHIPPED = shipped_weights(*PREDICTORS)


def rutile() -> Atoms:
    return crystal(["Ti", "O"], [(0, 0, 0), (0.305, 0.305, 0)], spacegroup=136, cellpar=[4.65, 4.65, 2.97, 90, 90, 90])


def test_the_calculator_s_default_is_shipped() -> None:
    assert "alignn-formation-energy" in SHIPPED


@pytest.mark.parametrize("name", SHIPPED)
def test_every_model_has_a_card_and_figures_on_a_test_split(name: str) -> None:
    assert (resources.files("asegen") / "weights" / f"{name}.md").is_file()
    header = read_header(find_weights(name))
    assert header["test"]["crystals"] > 1000 and header["name"] == name


def test_formation_energies_of_textbook_crystals() -> None:
    """Materials Project: NaCl -2.1, MgO -3.0, TiO2 (rutile) -3.4 eV/atom; a metal has none."""
    structures = [bulk("NaCl", "rocksalt", a=5.69), bulk("MgO", "rocksalt", a=4.26), rutile(), bulk("Cu", a=3.62)]
    values = [r.values["formation_energy_per_atom"] for r in predict(structures, "alignn-formation-energy", "cpu")]
    assert values == pytest.approx([-2.1, -3.0, -3.4, 0.0], abs=0.25)
