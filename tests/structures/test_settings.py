"""Symbols of space groups against spglib's table of 530 settings."""

import numpy as np
import pytest
import spglib

from asegen.structures.cif import cif_to_atoms
from asegen.structures.errors import StructureError
from asegen.structures.fields import NOTE
from asegen.structures.operations import fit_cell, is_group
from asegen.structures.settings import all_settings, group_number, settings_of, settings_of_hall, tabulated_operations
from asegen.symmetry.symbols import parse_group

HALLS = range(1, 531)


def table(hall: int) -> spglib.SpaceGroupType:
    return spglib.get_spacegroup_type(hall)


@pytest.mark.parametrize("hall", HALLS)
def test_every_symbol_of_every_setting_names_its_group(hall: int) -> None:
    kind = table(hall)
    own = kind.international.split("=")[-1].strip()
    names = {kind.international_short, kind.international_full, own, own.replace("_", ""), own.replace(" ", "")}
    names |= {own.lower(), own.replace("-", "−"), f"{own} ({kind.number})"}
    if kind.choice:
        names.add(f"{own}:{kind.choice}")
    if 3 <= kind.number <= 15:
        names.add("".join(word for word in own.split() if word != "1"))
    assert {parse_group(name) for name in names} == {kind.number}
    (same,) = settings_of_hall(kind.hall_symbol)  # spglib has six settings twice
    for mine, its in zip(tabulated_operations(same.hall_number), tabulated_operations(hall), strict=True):
        np.testing.assert_array_equal(mine, its)
    if own.count(":") == 0 and kind.choice:
        assert hall in [s.hall_number for s in settings_of(own, kind.choice)]


@pytest.mark.parametrize(
    ("symbol", "number"),
    [
        ("P21/n", 14), ("I2/a", 15), ("A2/a", 15), ("B2/b", 15), ("P2_1/a", 14), ("Cmca", 64), ("Cmma", 67),
        ("Cmmb", 67), ("Ccca", 68), ("Abm2", 39), ("Aba2", 41), ("Bmab", 64), ("R-3m:H", 166), ("R-3mH", 166),
        ("R -3 m R", 166), ("Fd-3m:2", 227), ("F d -3 m Z", 227), ("F d -3 m S", 227), ("I41/amd:1", 141),
        ("P4/nmm:1", 129), ("Fm3m", 225), ("fm-3m", 225), ("pnma", 62), ("Pbnm", 62), ("Ia3d", 230), ("Pa3", 205),
        ("Fd3m:1", 227), ("P63/mmc", 194), ("P6(3)/mmc", 194), ("P6₃/mmc", 194), ("Fm3\u0305m", 225), ("C-1", 2),
        ("I-1", 2), ("P1", 1), ("F 4/m -3 2/m", 225), ("P 21/n 21/m 21/a", 62), ("Fm-3m (225)", 225), ("225.0", 225),
    ],
)  # fmt: skip
def test_usual_symbols(symbol: str, number: int) -> None:
    assert parse_group(symbol) == number


@pytest.mark.parametrize("symbol", ["", "Xm3", "F o o", "Fd-3m:3", "P21/nn", "m-3m"])
def test_what_is_no_symbol(symbol: str) -> None:
    assert group_number(symbol) is None


@pytest.mark.parametrize("hall", HALLS)
def test_operations_are_a_group_and_one_is_missed(hall: int) -> None:
    rotations, translations = tabulated_operations(hall)
    assert is_group(rotations, translations)
    if len(rotations) > 2:
        for lost in {1, len(rotations) // 2, len(rotations) - 1}:
            assert not is_group(np.delete(rotations, lost, 0), np.delete(translations, lost, 0))
        shifted = translations.copy()
        shifted[-1] += [0.25, 0.05, 0]
        assert not is_group(rotations, shifted)


def test_the_metric_tells_hexagonal_from_rhombohedral_axes() -> None:
    hexagonal = np.array([[2.8, 0, 0], [-1.4, 1.4 * 3**0.5, 0], [0, 0, 14.0]])
    for symbol in ("R3", "R-3", "R32", "R3m", "R3c", "R-3m", "R-3c"):
        fitting = [s.choice for s in settings_of(symbol) if fit_cell(tabulated_operations(s.hall_number)[0], hexagonal)]
        assert fitting == ["H"]


CELLS = {
    "triclinic": "5 6 7 80 85 95",
    "b": "5 6 7 90 99 90",
    "c": "5 6 7 90 90 99",
    "a": "5 6 7 99 90 90",
    "orthorhombic": "5 6 7 90 90 90",
    "tetragonal": "5 5 7 90 90 90",
    "H": "5 5 7 90 90 120",
    "R": "5 5 5 70 70 70",
    "cubic": "5 5 5 90 90 90",
}


def cell_of(kind: spglib.SpaceGroupType) -> str:
    for last, name in ((2, "triclinic"), (15, kind.choice.lstrip("-")[:1]), (74, "orthorhombic"), (142, "tetragonal")):
        if kind.number <= last:
            return CELLS[name]
    return CELLS["R" if kind.choice == "R" else "H" if kind.number <= 194 else "cubic"]


def named(cell: str, *lines: str) -> str:
    tags = [f"_cell_length_{x}" for x in "abc"] + [f"_cell_angle_{x}" for x in ("alpha", "beta", "gamma")]
    parameters = [f"{tag} {value}" for tag, value in zip(tags, cell.split(), strict=True)]
    loop = ["loop_", "_atom_site_label", *(f"_atom_site_fract_{x}" for x in "xyz"), "Cu1 0.0123 0.0711 0.1317"]
    return "\n".join(["data_x", *parameters, *lines, *loop]) + "\n"


@pytest.mark.parametrize("hall", HALLS)
def test_a_cif_that_only_names_its_setting_gets_its_operations(hall: int) -> None:
    kind = table(hall)
    own, cell = kind.international.split("=")[-1].strip(), cell_of(kind)
    expected = len(tabulated_operations(hall)[0])
    by_hall = cif_to_atoms(named(cell, f"_space_group_name_Hall '{kind.hall_symbol}'"))
    choice = f":{kind.choice}" if kind.choice else ""
    by_name = cif_to_atoms(named(cell, f"_space_group_name_H-M_alt '{own}{choice}'"))
    assert len(by_hall) == len(by_name) == expected
    np.testing.assert_allclose(by_hall.positions, by_name.positions, atol=1e-9)
    try:
        short = cif_to_atoms(named(cell, f"_symmetry_space_group_name_H-M '{own}'"))
    except StructureError as error:
        assert "settings" in str(error) and len(settings_of(own)) > 1
    else:
        assert len(short) == expected


@pytest.mark.parametrize(
    ("name", "cell", "n_atoms"),
    [
        ("P 21/c", "5 6 7 90 99 90", 4),
        ("P 21/n", "5 6 7 90 99 90", 4),
        ("P 21/c", "5 6 7 90 90 90", 4),
        ("R -3 m", CELLS["H"], 36),
        ("R -3 m", CELLS["R"], 12),
        ("R -3 m H", CELLS["H"], 36),
        ("F d -3 m Z", CELLS["cubic"], 192),
        ("F d 3 m S", CELLS["cubic"], 192),
        ("F m 3 m", CELLS["cubic"], 192),
        ("C m c a", CELLS["orthorhombic"], 16),
    ],
)
def test_old_and_icsd_names(name: str, cell: str, n_atoms: int) -> None:
    assert len(cif_to_atoms(named(cell, f"_symmetry_space_group_name_H-M '{name}'"))) == n_atoms


@pytest.mark.parametrize(
    ("lines", "cell", "reason"),
    [
        (["_space_group_name_H-M_alt 'F d 3 m'"], CELLS["cubic"], "means 2 settings"),
        (["_space_group_name_H-M_alt 'F m -3 m'"], CELLS["H"], "the cell doesn't fit"),
        (["_space_group_name_H-M_alt 'R -3 m'"], CELLS["cubic"].replace("5 5 5", "5 6 7"), "the cell doesn't fit"),
        (["_space_group_IT_number 14"], CELLS["b"], "means 3 settings"),
        (["_cell_modulation_dimension 1"], CELLS["b"], "modulated"),
        (["_space_group_magn.name_BNS 'P4_2'"], CELLS["b"], "magnetic group"),
    ],
)
def test_names_that_leave_it_open(lines: list[str], cell: str, reason: str) -> None:
    with pytest.raises(StructureError, match=f"bad symmetry: .*{reason}"):
        cif_to_atoms(named(cell, *lines))


def test_a_name_and_a_number_of_different_groups_contradict() -> None:
    lines = ["_space_group_name_H-M_alt 'F m -3 m'", "_space_group_IT_number 221"]
    with pytest.raises(StructureError, match="contradiction: the group is said to be 'F m -3 m' and '221'"):
        cif_to_atoms(named(CELLS["cubic"], *lines))


def test_the_formula_chooses_the_origin() -> None:
    text = named("3.567 3.567 3.567 90 90 90", "_space_group_name_H-M_alt 'F d -3 m'", "_cell_formula_units_Z 8")
    diamond = text.replace("Cu1 0.0123 0.0711 0.1317", "C1 0 0 0").replace(
        "_cell_f", "_chemical_formula_sum C\n_cell_f"
    )
    atoms = cif_to_atoms(diamond)
    assert len(atoms) == 8 and "setting" in atoms.info[NOTE]
    assert len(all_settings()) == 530
