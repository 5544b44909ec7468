"""What a contact sheet shows of crystals that textbooks draw."""

from pathlib import Path

import pytest
from ase import Atoms
from ase.build import bulk
from ase.spacegroup import crystal
from matplotlib.figure import Figure
from matplotlib.patches import Circle

from asegen.cli.runs import contact_sheet
from asegen.cli.runs.contact_sheet import draw_contact_sheet
from asegen.errors import InputError

PEROVSKITE = crystal(
    ["Sr", "Ti", "O"], [(0.5, 0.5, 0.5), (0, 0, 0), (0.5, 0, 0)], spacegroup=221, cellpar=[3.9] * 3 + [90] * 3
)


def marked(atoms: Atoms, formula: str, index: int = 0) -> Atoms:
    atoms = atoms.copy()
    atoms.info = {"formula": formula, "sample_index": index, "valid": True}
    return atoms


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that are drawn."""
    drawn: list[Figure] = []

    class Kept(Figure):
        def __init__(self, **options: object) -> None:
            super().__init__(**options)
            drawn.append(self)

    monkeypatch.setattr(contact_sheet, "Figure", Kept)
    return drawn


def test_a_perovskite_looks_as_in_a_textbook(tmp_path: Path, figures: list[Figure]) -> None:
    draw_contact_sheet([marked(PEROVSKITE, "SrTiO3", 7)], tmp_path / "a.png")
    (axes,) = figures[0].axes
    assert axes.get_title() == r"$\mathrm{SrTiO_{3}}$   $Pm\bar{3}m$ (221)" and axes.get_title("left") == "7"
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["Sr", "Ti", "O"]
    atoms = [patch for patch in axes.patches if isinstance(patch, Circle) and patch.get_linewidth()]
    sizes = [round(atom.radius, 6) for atom in atoms]
    # Strontium on eight corners, titanium in the centre, oxygen on six faces; twelve edges; six bonds of two halves.
    assert sorted(map(sizes.count, set(sizes))) == [1, 6, 8]
    assert len(axes.lines) == 12 + 6 * 2
    near = max(atoms, key=lambda atom: atom.zorder)
    assert round(near.radius, 6) == max(sizes)  # a corner is nearest to the reader


def test_one_atom_and_many_structures(tmp_path: Path, figures: list[Figure]) -> None:
    draw_contact_sheet([marked(bulk("Po", "sc", a=3.35), "Po", k) for k in range(24)], tmp_path / "new" / "a.svg")
    assert [axes.get_title("left") for axes in figures[0].axes] == [str(k) for k in range(24)]
    assert (tmp_path / "new" / "a.svg").read_text().startswith("<?xml")
    assert len(figures[0].axes[0].patches) == 8 * 2  # each corner with its spot of light


def test_a_place_that_cannot_be_written() -> None:
    with pytest.raises(InputError, match="can't write /dev/null/a"):
        draw_contact_sheet([marked(bulk("Cu"), "Cu")], Path("/dev/null/a.png"))
