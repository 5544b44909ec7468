"""Studies that train write recipes that the package takes."""

import sys
from pathlib import Path

import pytest

from asegen.training.recipe import recipe_from_table

sys.path.insert(0, str(Path(__file__).parents[1] / "examples" / "studies"))
from empnn.cells import CALCULATED, ROWS, Budget, Cell


@pytest.mark.parametrize("table", ROWS)
def test_recipes_of_the_tables_of_empnn(table: int) -> None:
    for row in ROWS[table]:
        if row not in CALCULATED:
            cell = Cell(table, row, "mp", 1, Budget(20, 50, 2, 1))
            assert recipe_from_table(cell.name, cell.recipe()).optimizer.steps == 20
