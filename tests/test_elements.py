"""Tables of the elements against ASE's and pymatgen's."""

import math

import pytest
from ase.data import covalent_radii
from pymatgen.core import Element
from pymatgen.core.local_env import CovalentRadius

from asegen.elements import (
    COVALENT_RADIUS,
    ELECTRONEGATIVITY,
    IONISATION_ENERGY,
    LAST,
    MENDELEEV,
    column,
    period,
    wide_group,
)


@pytest.mark.filterwarnings("ignore:No Pauling electronegativity")
def test_tables_are_those_of_ase_and_pymatgen() -> None:
    for z in range(1, LAST + 1):
        element = Element.from_Z(z)
        assert IONISATION_ENERGY[z] == pytest.approx(element.ionization_energy, abs=0.006)
        assert MENDELEEV[z] == element.mendeleev_no
        x = element.X
        assert ELECTRONEGATIVITY[z] == (0 if math.isnan(x) else pytest.approx(x, abs=0.006))
        if z <= 96:
            assert COVALENT_RADIUS[z] == pytest.approx(CovalentRadius.radius[element.symbol], abs=0.006)
        if z <= 96 and element.symbol not in ("C", "Mn", "Fe", "Co"):  # of several hybridisations and spins
            assert COVALENT_RADIUS[z] == pytest.approx(covalent_radii[z], abs=1e-6)


def test_places_in_the_periodic_table() -> None:
    for z in range(1, LAST + 1):
        element = Element.from_Z(z)
        assert column(z) == element.group
        if not element.is_lanthanoid and not element.is_actinoid:
            assert period(z) == element.row
    assert [wide_group(z) for z in (1, 2, 3, 4, 5, 21, 30, 57, 70, 71, 72, 89, 102, 103)] == [
        1, 32, 1, 2, 27, 17, 26, 3, 16, 17, 18, 3, 16, 17,
    ]  # fmt: skip
    assert len({(period(z), wide_group(z)) for z in range(1, LAST + 1)}) == LAST
