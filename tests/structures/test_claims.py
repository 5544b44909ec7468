"""What a CIF says of itself: where it agrees the crystal is read, and every tag that can contradict is noticed."""

from functools import cache

import pytest
from ase.build import bulk
from pymatgen.io.ase import AseAtomsAdaptor
from pymatgen.io.cif import CifWriter

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


@cache
def operations_of_salt() -> tuple[str, ...]:
    """The operations of Fm-3m, as pymatgen writes them."""
    structure = AseAtomsAdaptor.get_structure(bulk("NaCl", "rocksalt", a=5.64, cubic=True))
    return tuple(CifWriter(structure, symprec=0.01).cif_file.data["NaCl"]["_symmetry_equiv_pos_as_xyz"])


def said(more: str) -> str:
    """Rock salt by its group's operations, and more that it says of itself."""
    return salt(operations_of_salt(), number="225", name="F m -3 m").replace("_cell_volume", f"{more}\n_cell_volume")


def named(more: str) -> str:
    """Rock salt by its group's name alone, and more that it says of itself."""
    text = salt(number="?", name="F m -3 m").replace("_cell_volume", f"{more}\n_cell_volume")
    operations = text[text.index("loop_\n_space_group_symop") : text.index("loop_\n_atom_site_label")]
    return text.replace(operations, "")


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
        said("_symmetry_Int_Tables_number 225\n_space_group_crystal_system cubic"),
        said("_symmetry_cell_setting 'as usual'\n_exptl_crystal_density_diffrn 2.17(2)"),
        said("_chemical_formula_weight 58.44"),
        said("loop_\n_atom_type_symbol\n_atom_type_number_in_cell\nNa+ 4\nCl- 4"),
        said("loop_\n_atom_type_symbol\nNa1+\nCl1-\nO2-"),
        named("_symmetry_space_group_name_H-M Fm-3m\n_symmetry_cell_setting cubic"),
        salt(FACES).replace("_cell_volume", "_symmetry_cell_setting cubic\n_cell_volume"),
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
        (named("_symmetry_Int_Tables_number 221"), "the group is said to be 'F m -3 m' and '221'"),
        (named("_space_group_crystal_system trigonal"), "said to be trigonal, and its group is 225"),
        (
            salt().replace("_cell_volume", "_cell_formula_units_Z 8\n_cell_volume"),
            "_cell_formula_units_Z is given twice",
        ),
        (salt(number="62"), "the group is said to be '62'"),
        (salt(name="P n m a"), "the group is said to be 'P n m a'"),
        (salt(name="F m -3 m", number="221"), "the group is said to be 'F m -3 m'"),
        (said("_symmetry_Int_Tables_number 221"), "the group is said to be '221'"),
        (said("_symmetry_space_group_name_H-M 'P m -3 m'"), "the group is said to be 'P m -3 m'"),
        (said("_space_group_crystal_system monoclinic"), "said to be monoclinic, and its group is 225"),
        (said("_symmetry_cell_setting Hexagonal"), "said to be hexagonal, and its group is 225"),
        (said("_exptl_crystal_density_diffrn 4.5(1)"), "the density is said to be 4.5 g/cm³, and is 2.16"),
        (said("_chemical_formula_weight 100"), "4 formulas are said to weigh 100 each, and the cell weighs 233.8"),
        (said("loop_\n_atom_type_symbol\nK1+\nCl1-"), "Na is not among the elements that are named, K, Cl"),
        (said("loop_\n_atom_type_symbol\n_atom_type_number_in_cell\nNa 4\nCl 8"), "hold 8 atoms of Cl, and has 4"),
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
