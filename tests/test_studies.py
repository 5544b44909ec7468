"""Studies that train write recipes that the package takes; crystals of textbooks are what their symbols say."""

import sys
from pathlib import Path

import pytest
import spglib
from pymatgen.io.ase import AseAtomsAdaptor
from pymatgen.symmetry.groups import SpaceGroup

from asegen.prototypes.sources import KNOWN, open_library
from asegen.training.recipe import recipe_from_table

sys.path.insert(0, str(Path(__file__).parents[1] / "examples" / "studies"))
from catalogue import places, textbook_crystals
from empnn.cells import CALCULATED, ROWS, Budget, Cell
from textbook_compounds import TEXTBOOK


@pytest.mark.parametrize("table", ROWS)
def test_recipes_of_the_tables_of_empnn(table: int) -> None:
    for row in ROWS[table]:
        if row not in CALCULATED:
            cell = Cell(table, row, "mp", 1, Budget(20, 50, 2, 1))
            assert recipe_from_table(cell.name, cell.recipe()).optimizer.steps == 20


def test_crystals_of_textbooks_have_the_groups_in_which_they_are_written() -> None:
    for known in TEXTBOOK:
        number = 14 if known.group == "P1" else SpaceGroup(known.group).int_number  # WO3, in P2_1/n
        atoms = AseAtomsAdaptor.get_atoms(known.structure)
        assert (
            spglib.get_symmetry_dataset((atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers)).number
            == number
        )


def test_the_shipped_catalogue_has_the_crystals_of_textbooks() -> None:
    assert None not in places(open_library(KNOWN), textbook_crystals())
