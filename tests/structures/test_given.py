"""Structures of scripts and notebooks: pymatgen's against its own adaptor, and what is none is refused by name."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from pymatgen.core import Lattice, Structure
from pymatgen.io.ase import AseAtomsAdaptor

from asegen import predict, relax_structures, relax_with_calculator
from asegen.errors import InputError
from asegen.metrics.inputs import as_samples
from asegen.structures.given import as_list

SALT = Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.64), ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])


def test_a_structure_of_pymatgen_is_one_structure_and_no_list_of_sites() -> None:
    expected = AseAtomsAdaptor.get_atoms(SALT, msonable=False)
    for given in (SALT, [SALT], (one for one in [SALT])):
        (atoms,) = as_list(given)
        assert type(atoms) is Atoms and atoms == expected
    assert as_list([bulk("Cu"), SALT])[0] == bulk("Cu")


def test_every_door_takes_it() -> None:
    (predicted,) = predict(SALT)
    (of_atoms,) = predict(SALT.to_ase_atoms())
    assert predicted.status == "ok" and predicted.values == of_atoms.values
    (record,) = relax_structures(SALT)
    np.testing.assert_array_equal(record.atoms.numbers, [site.specie.Z for site in SALT])
    assert len(as_samples([SALT, SALT])) == 2


@pytest.mark.parametrize("given", ["POSCAR", ["POSCAR"], 5, [None]])
def test_what_is_no_structure_is_refused_by_name(given: object) -> None:
    for door in (as_list, predict, relax_structures):
        with pytest.raises(InputError, match="is no structure: ASE's Atoms or pymatgen's Structure is needed"):
            door(given)


def test_partial_occupancies_cost_the_others_nothing() -> None:
    alloy = Structure(Lattice.cubic(3.6), [{"Cu": 0.5, "Au": 0.5}], [[0, 0, 0]])
    refused = "partial occupancy: "
    assert [one.status.startswith(refused) for one in predict([SALT, alloy, SALT])] == [False, True, False]
    assert predict(alloy)[0].status.startswith(refused)
    assert [sample.reason.startswith(refused) for sample in as_samples([SALT, alloy])] == [False, True]
    for relaxed in (relax_structures([alloy, SALT]), relax_with_calculator([alloy, SALT], EMT(), fix_cell=True)):
        assert (relaxed[0].status, relaxed[0].reason[: len(refused)]) == ("refused", refused)
        assert relaxed[1].status != "refused" or "partial" not in relaxed[1].reason


def test_of_several_the_one_that_cannot_be_is_named_by_its_place() -> None:
    for door in (as_list, predict, relax_structures):
        with pytest.raises(InputError, match=r"^structure 2 of 3: 'POSCAR' is no structure"):
            door([SALT, "POSCAR", SALT])
