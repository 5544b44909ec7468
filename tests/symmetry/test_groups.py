"""Tables of the space groups against spglib, which has its own."""

import numpy as np
import pytest
import spglib

from asegen.errors import InputError
from asegen.symmetry.groups import SpaceGroup, space_group
from asegen.symmetry.symbols import LAST_GROUP, crystal_system, parse_group

GROUPS = range(1, LAST_GROUP + 1)


def key(rotation: np.ndarray, translation: np.ndarray) -> tuple[int, ...]:
    return (*np.rint(rotation).astype(int).ravel(), *(np.rint(translation * 24).astype(int) % 24))


def lattice_points(group: SpaceGroup) -> np.ndarray:
    """Fractional translations of the centring, spglib's pure translations."""
    table = spglib.get_symmetry_from_database(group.hall_number)
    pure = [(r == np.eye(3)).all() for r in table["rotations"]]
    return table["translations"][pure]


def test_operations_are_those_of_spglib_modulo_the_primitive_lattice() -> None:
    for number in GROUPS:
        group = space_group(number)
        table = spglib.get_symmetry_from_database(group.hall_number)
        expected = {key(r, t) for r, t in zip(table["rotations"], table["translations"], strict=True)}
        points = lattice_points(group)
        assert group.points == len(points), number
        found = [key(r, t + p) for r, t in operations(group) for p in points]
        assert set(found) == expected and len(found) == len(expected), number
        assert (group.rotations[0] == np.eye(3)).all() and not group.translations[0].any(), number


def test_the_primitive_lattice_holds_the_centring_and_makes_operations_whole() -> None:
    for number in GROUPS:
        group = space_group(number)
        steps = lattice_points(group) @ np.linalg.inv(group.primitive)
        np.testing.assert_allclose(steps, np.rint(steps), atol=1e-12, err_msg=f"group {number}")
        rotations, _ = group.operations(group.primitive)
        whole = np.linalg.inv(group.primitive.T) @ group.rotations @ group.primitive.T
        np.testing.assert_allclose(whole, rotations, atol=1e-12, err_msg=f"group {number}")
        np.testing.assert_allclose(np.abs(np.linalg.det(rotations)), 1, atol=1e-12, err_msg=f"group {number}")


def test_the_unit_cell_has_the_groups_symmetry() -> None:
    for number in GROUPS:
        group = space_group(number)
        metric = group.unit_cell @ group.unit_cell.T
        moved = group.rotations.transpose(0, 2, 1) @ metric @ group.rotations
        np.testing.assert_allclose(moved, np.broadcast_to(metric, moved.shape), atol=1e-12, err_msg=f"group {number}")
        assert spglib.get_spacegroup_type(group.hall_number).number == number
        assert group.system == crystal_system(number), number


def test_images_of_a_site_are_an_orbit_of_its_size() -> None:
    u = np.array([0.123, 0.371, 0.219])
    for group in map(space_group, GROUPS):
        to_primitive = np.linalg.inv(group.primitive.T)
        for position in group.positions:
            site = f"{group.number}{position.letter}"
            first = position.matrix @ u + position.shift
            images = position.rotations @ first + position.translations
            orbit = set(places((group.rotations @ first + group.translations) @ to_primitive.T))
            assert set(places(images @ to_primitive.T)) == orbit and len(orbit) == position.size == len(images), site
            assert position.multiplicity == position.size * group.points, site
            assert position.is_fixed == (np.linalg.matrix_rank(position.matrix) == 0), site
            assert position.free.sum() == np.linalg.matrix_rank(position.matrix), site


def places(x: np.ndarray) -> list[tuple[int, ...]]:
    """Fractional positions, (n, 3), as whole millionths within the cell."""
    return list(map(tuple, (np.rint((x % 1) * 1e6).astype(int) % 10**6).tolist()))


def operations(group: SpaceGroup) -> list[tuple[np.ndarray, np.ndarray]]:
    return list(zip(group.rotations, group.translations, strict=True))


def a_cell(group: SpaceGroup) -> np.ndarray:
    """A conventional cell of the group's lattice system and none higher, Å."""
    if group.system == "cubic":
        return 5.1 * group.unit_cell
    if group.system not in ("triclinic", "monoclinic", "orthorhombic"):
        return group.unit_cell @ np.diag([5.1, 5.1, 7.7])
    cell = np.diag([5.1, 6.3, 7.7])
    cell[2, 0] = 0 if group.system == "orthorhombic" else -1.1
    cell[2, 1] = 0.9 if group.system == "triclinic" else 0
    return cell


@pytest.mark.parametrize("number", [1, 2, 15, 38, 62, 88, 139, 146, 166, 167, 194, 205, 216, 225, 227, 230])
def test_letters_are_those_of_spglib(number: int) -> None:
    group = space_group(number)
    cell = a_cell(group)
    general, u = group.positions[-1], np.array([0.137, 0.261, 0.083])
    for position in group.positions:
        atoms = []
        for species, (at, parameters) in enumerate([(general, u), (position, u[::-1])]):
            first = at.matrix @ parameters + at.shift
            images = at.rotations @ first + at.translations
            atoms += [(x + p, species) for x in images for p in lattice_points(group)]
        data = spglib.get_symmetry_dataset(
            (cell, [x for x, _ in atoms], [s for _, s in atoms]), symprec=1e-5, hall_number=group.hall_number
        )
        assert data is not None and data.number == number
        letters = {data.wyckoffs[k] for k, (_, s) in enumerate(atoms) if s == 1}
        assert len(letters) == 1
        # spglib may choose another origin of the same setting: the letter is right up to the normaliser.
        assert position.letter in {renaming[letter] for renaming in group.alternatives for letter in letters}


def test_numbers_and_symbols() -> None:
    assert [parse_group(text) for text in ("225", " 1 ", "Fm-3m", "P6_3/mmc", "P63/mmc", "P 2_1/c", "Pnma")] == [
        225,
        1,
        225,
        194,
        194,
        14,
        62,
    ]
    assert all(parse_group(space_group(number).symbol) == number for number in GROUPS)
    for text in ("0", "231", "-1", "Xm3", "", "1e2", "99999999999999"):
        with pytest.raises(InputError, match="space group"):
            parse_group(text)
