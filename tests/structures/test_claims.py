"""What a CIF says of itself: where it agrees the crystal is read, and every tag that can contradict is noticed."""

import pytest

from asegen.structures.cif import cif_to_atoms
from asegen.structures.errors import StructureError

FACES = ("x,y,z", "x,y+1/2,z+1/2", "x+1/2,y,z+1/2", "x+1/2,y+1/2,z")
SALT = """data_NaCl
_cell_length_a 5.64
_cell_length_b 5.64
_cell_length_c 5.64
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_cell_volume 179.41
_cell_formula_units_Z 4
_chemical_formula_sum 'Na1 Cl1'
_space_group_IT_number {number}
_space_group_name_H-M_alt '{name}'
loop_
_space_group_symop_operation_xyz
{operations}
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_symmetry_multiplicity
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
{sites}
"""
SITES = "Na1 Na 4 0 0 0\nCl1 Cl 4 0.5 0.5 0.5"


def salt(operations: tuple[str, ...] = FACES, sites: str = SITES, number: str = "?", name: str = "?") -> str:
    return SALT.format(operations="\n".join(f"'{o}'" for o in operations), sites=sites, number=number, name=name)


def inverted(operations: tuple[str, ...]) -> tuple[str, ...]:
    signs = str.maketrans({"x": "-x", "y": "-y", "z": "-z"})
    return tuple(operation.translate(signs) for operation in operations)


@pytest.mark.parametrize(
    "text",
    [
        salt(),
        salt().replace("'Na1 Cl1'", "'Na4 Cl4'"),  # as pymatgen writes it
        salt().replace("'Na1 Cl1'", "NaCl"),
        salt().replace("_cell_formula_units_Z 4\n", ""),
        salt().replace("_cell_formula_units_Z 4", "_cell_formula_units_Z ?"),
        salt().replace("_cell_formula_units_Z 4", "_cell_formula_units_Z 0"),
        salt().replace("'Na1 Cl1'", "?"),
        salt().replace("'Na1 Cl1'", "'a salt'"),
        salt().replace("'Na1 Cl1'", "'Na0.999 Cl1.001'"),
        salt().replace("_cell_volume 179.41", "_cell_volume 179.4(3)"),
        salt().replace("_cell_volume 179.41", "_cell_volume 180"),
        salt(sites=SITES.replace(" 4 ", " ? ")),
        salt(sites=SITES.replace(" 4 ", " 1 ")),  # SHELX: the order of the site's symmetry
        salt(FACES + inverted(FACES), number="2"),
        salt(number="1", name="an unknown group"),
        salt(number="225", name="F m -3 m"),  # the centring alone is listed, and the crystal is Fm-3m
    ],
)  # fmt: skip
def test_what_agrees_is_read(text: str) -> None:
    assert cif_to_atoms(text).get_chemical_formula() == "Cl4Na4"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (salt().replace("'Na1 Cl1'", "'Na2 O1'"), "the formula is said to be 'Na2 O1' with Z = 4"),
        (salt().replace("'Na1 Cl1'", "'Na1 Cl2'"), "the formula"),
        (salt().replace("'Na1 Cl1'", "'Na1 Cl1 H1'"), "the formula"),
        (salt().replace("'Na1 Cl1'", "'Na1 Cl1.2'"), "the formula"),
        (salt().replace("'Na1 Cl1'", "'Na1 Cj1'"), "the formula"),
        (salt().replace("Z 4", "Z 2"), "with Z = 2, and the cell holds Na4 Cl4"),
        (salt().replace("Z 4", "Z 3").replace("'Na1 Cl1'", "?"), "Z is said to be 3"),
        (salt(FACES[:1], SITES.replace(" 4 ", " 1 ")), "the formula is said to be 'Na1 Cl1' with Z = 4"),
        (salt(FACES[:1], SITES.replace(" 4 ", " 1 ")).replace("'Na1 Cl1'", "'Na4 Cl4'"), "the formula"),
        (salt(sites=SITES.replace("Na 4", "Na 8")), "a site is said to have multiplicity 8, and has 4"),
        (salt(sites=SITES.replace("Na 4", "Na many")), "multiplicity many"),
        (salt().replace("179.41", "197.41"), "the cell's volume is said to be 197.41 Å³, and is 179.4"),
        (
            salt().replace("_cell_volume", "_cell_formula_units_Z 8\n_cell_volume"),
            "_cell_formula_units_Z is given twice",
        ),
        (salt(number="62"), "the group is said to be '62'"),
        (salt(name="P n m a"), "the group is said to be 'P n m a'"),
        (salt(name="F m -3 m", number="221"), "the group is said to be 'F m -3 m'"),
    ],
)
def test_what_contradicts_is_one_line(text: str, reason: str) -> None:
    with pytest.raises(StructureError, match=f"contradiction: .*{reason}") as error:
        cif_to_atoms(text)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("operations", "reason"),
    [
        (FACES[:3], "no group"),
        ((*FACES[:3], "x+1/2,y+1/4,z"), "no group"),
        (FACES[1:], "no group"),
        (("x,y,z", "-x,-y"), "is no symmetry operation"),
        (("x,y,z", "x+y,y,z"), "no group"),
        (("x,y,z", "y,x,z"), "no symmetries of the cell"),
    ],
)
def test_operations_are_a_group_that_the_cell_has(operations: tuple[str, ...], reason: str) -> None:
    text = salt(operations).replace("_cell_length_a 5.64", "_cell_length_a 6.64").replace("_cell_volume 179.41\n", "")
    with pytest.raises(StructureError, match=f"bad symmetry: .*{reason}"):
        cif_to_atoms(text)


def test_a_group_beside_the_identity_alone() -> None:
    """Either all atoms are listed, or the operations are missing."""
    plain = salt(FACES[:1], number="225", name="F m -3 m").replace("_cell_formula_units_Z 4\n", "")
    listed = "".join(
        f"{s}{k} {s} 1 {x} {y} {z}\n"
        for s, first in (("Na", 0), ("Cl", 0.5))
        for k, (x, y, z) in enumerate([(first, first, first), (first, 0.5 - first, 0.5 - first),
                                       (0.5 - first, first, 0.5 - first), (0.5 - first, 0.5 - first, first)])
    )  # fmt: skip
    assert len(cif_to_atoms(plain.replace(SITES, listed.rstrip()))) == 8
    with pytest.raises(StructureError, match="the group is said to be 'F m -3 m'"):
        cif_to_atoms(plain.replace(SITES, SITES.replace(" 4 ", " 1 ")))
