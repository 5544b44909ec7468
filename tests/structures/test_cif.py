"""CIF text, against pymatgen's reader and writer."""

import warnings
from functools import cache

import numpy as np
import pytest
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Lattice, Structure
from pymatgen.io.ase import AseAtomsAdaptor
from pymatgen.io.cif import CifParser, CifWriter

from asegen.structures import cif, cif_tags
from asegen.structures.cif import cif_to_atoms
from asegen.structures.errors import StructureError
from asegen.structures.reading import read_entries, read_entry

PROTOTYPES = {
    "NaCl": ("Fm-3m", Lattice.cubic(5.64), ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]]),
    "diamond": ("Fd-3m", Lattice.cubic(3.567), ["C"], [[0.125, 0.125, 0.125]]),
    "perovskite": ("Pm-3m", Lattice.cubic(3.9), ["Sr", "Ti", "O"], [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0]]),
    "wurtzite": ("P6_3mc", Lattice.hexagonal(3.25, 5.2), ["Zn", "O"], [[1 / 3, 2 / 3, 0], [1 / 3, 2 / 3, 0.382]]),
    "corundum": ("R-3c", Lattice.hexagonal(4.76, 12.99), ["Al", "O"], [[0, 0, 0.352], [0.306, 0, 0.25]]),
    "rutile": ("P4_2/mnm", Lattice.tetragonal(4.59, 2.96), ["Ti", "O"], [[0, 0, 0], [0.305, 0.305, 0]]),
    "zirconia": (
        "P2_1/c",
        Lattice.monoclinic(5.15, 5.21, 5.32, 99.2),
        ["Zr", "O", "O"],
        [[0.275, 0.040, 0.208], [0.070, 0.332, 0.345], [0.449, 0.758, 0.479]],
    ),
    "calcite": ("R-3c", Lattice.hexagonal(4.99, 17.06), ["Ca", "C", "O"], [[0, 0, 0], [0, 0, 0.25], [0.257, 0, 0.25]]),
}
"""Symbol of the space group, lattice, species, and positions."""


@cache
def prototype(name: str) -> Structure:
    """Its structure; takes seconds for all together."""
    return Structure.from_spacegroup(*PROTOTYPES[name])


def equal(atoms, structure: Structure, tolerance: float = 1e-3) -> bool:
    matcher = StructureMatcher(scale=False, primitive_cell=False)
    distance = matcher.get_rms_dist(AseAtomsAdaptor.get_structure(atoms), structure)
    return len(atoms) == len(structure) and distance is not None and distance[1] < tolerance


@pytest.mark.parametrize("name", PROTOTYPES)
@pytest.mark.parametrize("digits", [8, 4])
def test_symmetry_operations_give_pymatgens_structure(name, digits):
    """With four digits 1/3 is off its special position: the images must still be one atom."""
    structure = prototype(name)
    text = str(CifWriter(structure, symprec=0.01, significant_figures=digits))
    assert "x, y, z" in text and text.count("\n") > len(structure)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        oracle = CifParser.from_str(text).parse_structures(primitive=False)[0]
    atoms = cif_to_atoms(text)
    assert equal(atoms, oracle) and equal(atoms, structure)
    assert atoms.pbc.all()


@pytest.mark.parametrize("name", PROTOTYPES)
def test_p1_keeps_sites_and_their_order(name):
    structure = prototype(name)
    atoms = cif_to_atoms(str(CifWriter(structure)))
    assert atoms.numbers.tolist() == [site.specie.Z for site in structure]
    np.testing.assert_allclose(atoms.get_scaled_positions(wrap=False), structure.frac_coords, atol=1e-8)
    np.testing.assert_allclose(atoms.cell.cellpar(), structure.lattice.parameters, atol=1e-6)


HEAD = """data_x
_cell_length_a {a}
_cell_length_b 5.64
_cell_length_c 5.64(2)
_cell_angle_alpha 90
_cell_angle_beta {beta}
_cell_angle_gamma 90.0
"""
LOOP = "loop_\n_atom_site_label\n_atom_site_type_symbol\n_atom_site_fract_x\n_atom_site_fract_y\n_atom_site_fract_z\n"
SITES = "Na1 Na 0 0 0\nCl1 Cl 0.5 0.5 0.5\n"


def text(a="5.64", beta="90", symmetry="", loop=LOOP, sites=SITES, more="") -> str:
    return HEAD.format(a=a, beta=beta) + symmetry + loop + sites + more


def listed(*operations: str) -> str:
    return "loop_\n_space_group_symop_operation_xyz\n" + "".join(f"'{operation}'\n" for operation in operations)


OCCUPANCY = LOOP + "_atom_site_occupancy\n"


@pytest.mark.parametrize(
    ("symmetry", "n_atoms"),
    [
        ("", 2),
        ("_space_group_name_H-M_alt 'F m -3 m'\n", 8),
        ("_symmetry_space_group_name_H-M 'Fm-3m'\n", 8),
        ("_space_group_IT_number 225\n", 8),
        ("_space_group_name_Hall '-F 4 2 3'\n", 8),
        ("_space_group_name_H-M_alt 'F d -3 m:1'\n", 16),
        (listed("x,y,z"), 2),
        (listed("x,y,z", "x,y+1/2,z+1/2", "1/2+x,y,1/2+z", "x+.5,y+.5,z"), 8),
    ],
)
def test_symmetry_by_name_number_or_list(symmetry, n_atoms):
    assert len(cif_to_atoms(text(symmetry=symmetry))) == n_atoms


@pytest.mark.parametrize(
    ("symbol", "z"), [("Fe", 26), ("Fe3+", 26), ("FE", 26), ("O2-", 8), ("Cl1-", 17), ("H", 1), ("D", 1)]
)
def test_symbols(symbol, z):
    assert cif_to_atoms(text(sites=f"A1 {symbol} 0 0 0\n")).numbers.tolist() == [z]


def test_deuterium_is_remarked_on():
    assert "deuterium" in cif_to_atoms(text(sites="D1 D 0 0 0\n")).info[cif.NOTE]
    assert cif_to_atoms(text()).info == {}


def test_labels_serve_where_there_are_no_symbols():
    loop = LOOP.replace("_atom_site_type_symbol\n", "")
    assert cif_to_atoms(text(loop=loop, sites="Na1 0 0 0\nCl 0.5 0.5 0.5\n")).get_chemical_formula() == "ClNa"
    with pytest.raises(StructureError, match="unknown element: 'HO1'"):
        cif_to_atoms(text(loop=loop, sites="HO1 0 0 0\n"))


def test_full_occupancy_in_all_spellings():
    sites = "Na1 Na 0 0 0 1\nCl1 Cl 0.5 0.5 0.5 1.000(2)\nF1 F 0.25 0.25 0.25 .\n"
    assert len(cif_to_atoms(text(loop=OCCUPANCY, sites=sites))) == 3


BOMB_SITES = "".join(f"Na{i} Na 0.{i:05d} 0.1{i:05d} 0.2{i:05d}\n" for i in range(20_000))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (text(loop=OCCUPANCY, sites="K1 K 0 0 0 0.5\nNa1 Na 0 0 0 0.5\n"), "partial occupancy"),
        (text(loop=OCCUPANCY, sites="K1 K 0 0 0 0.9\n"), "partial occupancy"),
        (text(loop=OCCUPANCY, sites="K1 K 0 0 0 -1\n"), "partial occupancy"),
        (text(loop=OCCUPANCY, sites="K1 K 0 0 0 1.2\n"), "bad occupancy"),
        (text(loop=OCCUPANCY, sites="K1 K 0 0 0 full\n"), "unreadable: occupancy"),
        (text(sites="X1 X 0 0 0\n"), "unknown element"),
        (text(sites="Q1 Xx 0 0 0\n"), "unknown element"),
        (text(sites="Q1 ? 0 0 0\n"), "unknown element"),
        (text(loop=LOOP + "_atom_site_calc_flag\n", sites="Na1 Na 0 0 0 dum\n"), "dummy atoms"),
        (text(loop=LOOP + "_atom_site_attached_hydrogens\n", sites="O1 O 0 0 0 2\n"), "missing atoms"),
        (text(sites="Na1 Na 0 0 nan\n"), "non-finite"),
        (text(sites="Na1 Na 0 0 1e999\n"), "non-finite"),
        (text(sites="Na1 Na 0 0 ?\n"), "unreadable: a coordinate"),
        (text(a="nan"), "non-finite"),
        (text(a="?"), "unreadable: a cell parameter"),
        (text(a="-5"), "bad cell"),
        (text(a="0"), "bad cell"),
        (text(beta="190"), "bad cell"),
        (text().replace("_cell_angle_alpha 90\n", ""), "unreadable: a cell parameter"),
        (text(sites="Na1 Na 0 0 0\nCl1 Cl 0.5\n"), "unreadable"),
        (text(sites=SITES + "Cl2 Cl 0.5 0.5 0.5 0.1 0.2\n"), "unreadable"),
        (text(loop=LOOP.replace("fract", "Cartn")), "unreadable: the CIF has no fractional"),
        (HEAD.format(a=5, beta=90), "unreadable: the CIF has no atom sites"),
        (text(symmetry=listed("x,y,z", "x,y,w")), "bad symmetry"),
        (text(symmetry=listed("x,y,z", "x,x,z")), "bad symmetry"),
        (text(symmetry=listed("x,y,z", "x,y+1/0,z")), "bad symmetry"),
        (text(symmetry=listed("x,y,z", "x,y")), "bad symmetry"),
        (text(symmetry="_space_group_name_H-M_alt 'F d -3 m'\n"), "bad symmetry.*2 settings"),
        (text(symmetry="_space_group_name_H-M_alt 'F o o'\n"), "bad symmetry.*none"),
        (text(symmetry="_space_group_IT_number 999\n"), "bad symmetry"),
        ("", "unreadable"),
        ("hello", "unreadable"),
        ("data_x\nloop_\n", "unreadable"),
        ("data_\n;\n", "unreadable"),
        ("\x00\x01\x02", "unreadable"),
        (text(sites=BOMB_SITES), "too large"),
        (text(symmetry="_space_group_IT_number 225\n", sites=BOMB_SITES), "too large: 20000 sites under 192"),
        (
            text(symmetry="_space_group_IT_number 225\n", sites="\n".join(BOMB_SITES.split("\n")[:99]) + "\n"),
            "too large",
        ),
    ],
)
def test_what_cannot_be_used_is_one_line_with_its_kind(content, reason):
    with pytest.raises(StructureError, match=reason) as error:
        cif_to_atoms(content)
    assert "\n" not in str(error.value) and len(str(error.value)) < 400


def test_too_much_text_is_not_parsed(monkeypatch):
    monkeypatch.setattr(cif_tags, "MAX_TEXT", 100)
    with pytest.raises(StructureError, match="too large"):
        cif_to_atoms(text())


def test_a_text_field_may_hold_lines_that_begin_like_blocks_and_fields(tmp_path):
    field = "_publ_section_title\n;\nA title\ndata_not_a_block\n  ; indented\nloop_\n;\n"
    content = text(symmetry=field) + text(sites="Mg1 Mg 0 0 0\n").replace("data_x", "DATA_y")
    (tmp_path / "a.cif").write_text(content)
    entries = list(read_entries(tmp_path / "a.cif"))
    assert [read_entry(entry)[1].get_chemical_formula() for entry in entries] == ["ClNa", "Mg"]


MAGNETIC = """_parent_space_group.IT_number 136
_space_group_magn.number_BNS 136.499
loop_
_space_group_symop_magn_operation.id
_space_group_symop_magn_operation.xyz
1 x,y,z,+1
2 -x,-y,-z,+1
loop_
_space_group_symop_magn_centering.id
_space_group_symop_magn_centering.xyz
1 x,y,z,+1
2 x+1/2,y+1/2,z+1/2,-1
"""


def test_magnetic_operations_move_atoms():
    atoms = cif_to_atoms(text(symmetry=MAGNETIC, sites="Mn1 Mn 0.1 0.2 0.3\n"))
    assert len(atoms) == 4 and "magnetic moments left out" in atoms.info[cif.NOTE]
    assert len(cif_to_atoms(text(symmetry=MAGNETIC.split("loop_\n_space_group_symop_magn_centering")[0]))) == 2


def test_tags_of_the_newer_dictionary_have_dots():
    symmetry = "loop_\n_space_group_symop.operation_xyz\n'x,y,z'\n'x+1/2,y+1/2,z+1/2'\n"
    assert len(cif_to_atoms(text(symmetry=symmetry, sites="Na1 Na 0 0 0\n"))) == 2
    dotted = text().replace("_cell_length", "_cell.length").replace("_atom_site_", "_atom_site.")
    assert len(cif_to_atoms(dotted)) == 2


def test_line_ends_of_any_system():
    for end in ("\r\n", "\r"):
        assert len(cif_to_atoms(text().replace("\n", end))) == 2
    with pytest.raises(StructureError):
        cif_to_atoms(text().replace("5.64\n_cell_length_c", "5\r.64\n_cell_length_c"))


@pytest.mark.parametrize("symbol", ["Fe/Mg", "Fe,Mg", "Fe0.5Mg0.5", "Nb0.8Zr0.2", "Fe0.5", "H2O", "OH", "Fe2Mg", "Wat"])
def test_a_symbol_is_one_element(symbol):
    with pytest.raises(StructureError, match="unknown element"):
        cif_to_atoms(text(sites=f"M1 {symbol} 0 0 0\n"))


@pytest.mark.parametrize(
    "label", ["Fe/Mg1", "Fe,Mg1", "Fe1/Mg1", "Fe0.5Mg0.5", "Fe1Mg", "H2O1", "Al,Cu", "Wat1", "(Fe,Mg)1", "Nb0.8Zr0.2"]
)
def test_a_label_is_one_element(label):
    with pytest.raises(StructureError, match="unknown element"):
        cif_to_atoms(text(loop=LOOP.replace("_atom_site_type_symbol\n", ""), sites=f"{label} 0 0 0\n"))


@pytest.mark.parametrize(
    ("label", "z"), [("Fe1", 26), ("Fe1A", 26), ("O1W", 8), ("Fe(1)", 26), ("O2'", 8), ("Fe_1", 26), ("C12B", 6)]
)
def test_labels(label, z):
    loop = LOOP.replace("_atom_site_type_symbol\n", "")
    assert cif_to_atoms(text(loop=loop, sites=f'"{label}" 0 0 0\n')).numbers.tolist() == [z]


@pytest.mark.parametrize(
    ("sites", "formula"),
    [
        ("Fe1 Fe2+ 0 0 0 0.5\nFe2 Fe3+ 0 0 0 0.5\nO1 O 0.5 0.5 0.5 1\n", "FeO"),
        ("D1 D 0 0 0 0.7\nH1 H 0 0 0 0.3\nLi1 Li 0.5 0.5 0.5 1\n", "HLi"),
        ("Fe1 Fe 0 0 0 0.333\nFe2 Fe 0 0 1 0.333\nFe3 Fe 0 0 0 0.333\n", "Fe"),
    ],
)
def test_ions_of_one_element_fill_a_site_together(sites, formula):
    assert cif_to_atoms(text(loop=OCCUPANCY, sites=sites)).get_chemical_formula() == formula


@pytest.mark.parametrize(
    "sites",
    ["Fe1 Fe2+ 0 0 0 0.5\nFe2 Fe3+ 0 0 0 0.4\n", "Fe1 Fe2+ 0 0 0 0.5\nFe2 Fe3+ 0 0 0.5 0.5\n",
     "Fe1 Fe 0 0 0 0.7\nFe2 Fe 0 0 0 0.7\n"],
)  # fmt: skip
def test_sites_that_stay_partly_empty(sites):
    with pytest.raises(StructureError, match="partial occupancy"):
        cif_to_atoms(text(loop=OCCUPANCY, sites=sites))


DISORDER = LOOP + "_atom_site_disorder_assembly\n_atom_site_disorder_group\n"


@pytest.mark.parametrize(
    ("sites", "refused"),
    [
        ("Mg1 Mg 0 0 0 . .\nO1A O 0.42 0.5 0.5 A 1\nO1B O 0.6 0.5 0.5 A 2\n", True),
        ("Mg1 Mg 0 0 0 . .\nO1A O 0.42 0.5 0.5 . -1\n", True),
        ("Mg1 Mg 0 0 0 . .\nO1A O 0.42 0.5 0.5 A 1\nO1B O 0.1 0.5 0.5 B 2\n", False),
        ("Mg1 Mg 0 0 0 . .\nO1 O 0.5 0.5 0.5 . .\n", False),
    ],
)
def test_alternatives_are_never_all_there(sites, refused):
    if refused:
        with pytest.raises(StructureError, match="disorder"):
            cif_to_atoms(text(loop=DISORDER, sites=sites))
    else:
        assert len(cif_to_atoms(text(loop=DISORDER, sites=sites))) > 1
