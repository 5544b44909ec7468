"""Where a relaxation begins, and what it costs."""

from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT

from asegen.potentials.minimise import minimise
from asegen.potentials.start import better_start


class Lazy(EMT):
    """EMT that computes forces only where they are asked for, as CHGNet does, and lists what it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    def calculate(self, atoms: Atoms | None = None, properties=("energy",), system_changes=()) -> None:
        super().calculate(atoms, properties, system_changes)
        self.asked.append(properties[0])
        if properties[0] == "energy":
            del self.results["forces"], self.results["stress"]


def test_the_crystal_that_is_relaxed_is_computed_once() -> None:
    calculator = Lazy()
    before, moved = bulk("Cu", a=3.3), bulk("Cu", a=3.62)
    start = better_start(moved, before, calculator)
    assert start.atoms == moved and start.compared and calculator.asked == ["energy", "forces"]
    end = minimise(start.atoms, calculator)
    assert len(calculator.asked) == 1 + end.steps + 1


def test_the_crystal_before_is_kept_where_it_is_lower() -> None:
    before, moved = bulk("Cu", a=3.6), bulk("Cu", a=3.3)
    start = better_start(moved, before, Lazy())
    assert start.atoms == before and start.note.startswith("not pre-relaxed: ")
