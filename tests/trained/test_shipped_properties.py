"""The shipped property networks against known values."""

from importlib import resources

import pytest
from ase import Atoms
from ase.build import bulk
from ase.spacegroup import crystal

from asegen.calculators.property import predict
from asegen.models.header import read_header
from asegen.trained.weights import find_weights, shipped_weights
from asegen.training.registry import PREDICTORS

SHIPPED = shipped_weights(*PREDICTORS)


def rutile() -> Atoms:
    return crystal(["Ti", "O"], [(0, 0, 0), (0.305, 0.305, 0)], spacegroup=136, cellpar=[4.65, 4.65, 2.97, 90, 90, 90])


def perovskite(formula: str, a: float) -> Atoms:
    """Cubic ABX3, X on the faces around B."""
    sites = [(0, 0, 0), (0.5, 0.5, 0.5), (0.5, 0.5, 0), (0.5, 0, 0.5), (0, 0.5, 0.5)]
    return Atoms(formula, scaled_positions=sites, cell=[a, a, a], pbc=True)


def values(structures: list[Atoms], model: str, column: str) -> list[float]:
    return [result.values[column] for result in predict(structures, model, "cpu")]


def test_what_the_documentation_names_is_shipped() -> None:
    assert set(SHIPPED) == {
        "alignn-band-gap",
        "alignn-bulk-modulus",
        "alignn-formation-energy",
        "alignn-metal",
        "alignn-shear-modulus",
        "cgcnn-formation-energy",
        "ecn-formation-energy",
        "ecn-perov5-heat",
        "megnet-formation-energy",
    }


@pytest.mark.parametrize("name", SHIPPED)
def test_every_model_has_a_card_and_figures_on_a_test_split(name: str) -> None:
    assert (resources.files("asegen") / "weights" / f"{name}.md").is_file()
    header = read_header(find_weights(name))
    assert header["test"]["crystals"] > 400 and header["name"] == name


@pytest.mark.parametrize("name", SHIPPED)
def test_supercells_and_images_do_not_matter(name: str) -> None:
    atoms = rutile()
    moved = atoms.copy()
    moved.positions += [0.4, 1.3, -2.0]
    moved.wrap()
    column = next(c for c in predict([atoms], name, "cpu")[0].values if not c.endswith("_std"))
    found = values([atoms, atoms * (1, 1, 2), moved, atoms[[2, 0, 5, 1, 3, 4]]], name, column)
    assert found == pytest.approx([found[0]] * 4, abs=2e-4)


@pytest.mark.parametrize(
    ("name", "tolerance"),
    [
        ("alignn-formation-energy", 0.25),
        ("cgcnn-formation-energy", 0.35),
        ("ecn-formation-energy", 0.35),
        ("megnet-formation-energy", 0.35),
    ],
)
def test_formation_energies_of_textbook_crystals(name: str, tolerance: float) -> None:
    """Materials Project: NaCl -2.1, MgO -3.0, TiO2 (rutile) -3.4 eV/atom; a metal has none."""
    structures = [bulk("NaCl", "rocksalt", a=5.69), bulk("MgO", "rocksalt", a=4.26), rutile(), bulk("Cu", a=3.62)]
    found = values(structures, name, "formation_energy_per_atom")
    assert found == pytest.approx([-2.1, -3.0, -3.4, 0.0], abs=tolerance)


def test_elements_are_zero_in_their_ground_states() -> None:
    """By definition; carbon's graphite is among what the network knows least."""
    ground = [bulk(symbol) for symbol in ("Li", "Na", "Mg", "Al", "Si", "Ca", "Ti", "V", "Cr", "Fe", "Co", "Ni", "Cu")]
    ground += [bulk(symbol) for symbol in ("Zn", "Ge", "Zr", "Nb", "Mo", "Pd", "Ag", "Cd", "Ta", "W", "Pt", "Au", "Pb")]
    found = values(ground, "alignn-formation-energy", "formation_energy_per_atom")
    assert found == pytest.approx([0.0] * len(ground), abs=0.06)


def test_structures_of_one_element_differ() -> None:
    """Copper is fcc at 3.6 Å; compressed, expanded or in a structure for other bonds it is higher."""
    lattices = [bulk("Cu", "fcc", a=a) for a in (3.62, 3.0, 4.5, 5.5)]
    best, *others = values(
        [*lattices, bulk("Cu", "diamond", a=5.4), bulk("Cu", "sc", a=2.4)],
        "alignn-formation-energy",
        "formation_energy_per_atom",
    )
    assert abs(best) < 0.06 and min(others) > 0.3


def test_moduli_of_textbook_crystals() -> None:
    """Materials Project (PBE), GPa: diamond 435 and 521, MgO 151 and 121, Al 73 and 30, W 304 and 158, Na 8 and 3."""
    structures = [
        bulk("C", "diamond", a=3.57), bulk("MgO", "rocksalt", a=4.25), bulk("Al", a=4.04), bulk("W", a=3.18),
        bulk("Na", a=4.19),
    ]  # fmt: skip
    for name, expected in (("bulk_modulus", [435, 151, 73, 304, 8]), ("shear_modulus", [521, 121, 30, 158, 3])):
        found = values(structures, f"alignn-{name.replace('_', '-')}", name)
        ratios = [value / true for value, true in zip(found, expected, strict=True)]
        assert 0.5 < min(ratios) and max(ratios) < 2.0, (name, found)


def test_well_known_insulators_are_no_metals() -> None:
    structures = [
        rutile(), perovskite("SrTiO3", 3.94), perovskite("BaTiO3", 4.03), bulk("Si", "diamond", a=5.47),
        bulk("GaAs", "zincblende", a=5.75), bulk("CaF2", "fluorite", a=5.51),
    ]  # fmt: skip
    assert min(values(structures, "alignn-band-gap", "band_gap")) > 0
    metals = [bulk(symbol) for symbol in ("Na", "Mg", "Al", "Ti", "Fe", "Cu", "Zr", "Ag", "Pt", "Au", "Pb")]
    assert max(values(metals, "alignn-band-gap", "band_gap")) == 0


def test_gaps_of_textbook_crystals() -> None:
    """Materials Project: NaCl 5.0, MgO 4.4, AlN 4.1, GaAs 0.2 eV; metals have none."""
    structures = [
        bulk("NaCl", "rocksalt", a=5.69), bulk("MgO", "rocksalt", a=4.26), bulk("AlN", "wurtzite", a=3.13, c=5.02),
        bulk("GaAs", "zincblende", a=5.75), bulk("Cu", a=3.62), bulk("Al", a=4.04),
    ]  # fmt: skip
    found = values(structures, "alignn-band-gap", "band_gap")
    assert found == pytest.approx([5.0, 4.4, 4.1, 0.2, 0.0, 0.0], abs=1.0) and min(found) >= 0


def test_metals_are_told_from_insulators() -> None:
    insulators = [bulk("NaCl", "rocksalt", a=5.69), bulk("MgO", "rocksalt", a=4.26), bulk("C", "diamond", a=3.57)]
    metals = [bulk("Cu", a=3.62), bulk("Al", a=4.04), bulk("W", a=3.18)]
    found = values([*insulators, *metals], "alignn-metal", "probability")
    assert max(found[:3]) < 0.5 < min(found[3:])


def test_heats_of_perovskites() -> None:
    """Three of Perov-5's test split."""
    structures = [perovskite("CaZrO3", 4.156), perovskite("KSbO3", 4.002), perovskite("HgSbO3", 4.079)]
    assert values(structures, "ecn-perov5-heat", "heat_all") == pytest.approx([0.02, 0.16, 0.80], abs=0.2)
