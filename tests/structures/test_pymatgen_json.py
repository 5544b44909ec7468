"""JSON of pymatgen's structures against pymatgen's own reading, and documents like the Materials Project's."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk
from ase.io import write
from pymatgen.core import Lattice, Structure
from pymatgen.core.periodic_table import Species

from asegen.errors import InputError
from asegen.structures.errors import StructureError
from asegen.structures.fields import NOTE
from asegen.structures.reading import read_entries, read_entry

PEROVSKITE = Structure(
    Lattice.from_parameters(3.9, 3.9, 4.1, 90, 90, 90),
    [Species("Sr", 2), "Ti", "O", "O", "O"],
    [[0, 0, 0], [0.5, 0.5, 0.52], [0.5, 0.5, 0.02], [0.5, 0, 0.5], [0, 0.5, 0.5]],
)
MIXED = Structure(Lattice.cubic(4.2), [{"Na": 0.5, "K": 0.5}, "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])


def written(path: Path, content: object) -> Path:
    path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize("name", ["one.json", "one.JSON", "one.json.gz"])
def test_a_structure_is_what_pymatgen_makes_of_it(tmp_path: Path, name: str) -> None:
    text = PEROVSKITE.to_json()
    (tmp_path / name).write_bytes(gzip.compress(text.encode()) if name.endswith("gz") else text.encode())
    (entry,) = read_entries(tmp_path / name)
    id, atoms, _ = read_entry(entry)
    expected = Structure.from_str(text, fmt="json").to_ase_atoms()
    assert id == "one" and (atoms.numbers == expected.numbers).all() and atoms.pbc.all()
    np.testing.assert_allclose(atoms.positions, expected.positions, atol=1e-12)
    np.testing.assert_allclose(atoms.cell.array, expected.cell.array)


def test_documents_have_names_and_values(tmp_path: Path) -> None:
    path = written(
        tmp_path / "mp.json",
        [
            {"material_id": "mp-1", "band_gap": 1.5, "structure": PEROVSKITE.as_dict(), "symmetry": {"number": 99}},
            {"material_id": "mp-2", "band_gap": 0.0, "structure": MIXED.as_dict()},
        ],
    )
    first, second = read_entries(path)
    id, atoms, values = read_entry(first)
    assert id == "mp-1" and len(atoms) == 5 and values == {"band_gap": 1.5}
    with pytest.raises(StructureError, match="partial occupancy"):
        read_entry(second)
    assert second.id == "mp-2" and second.format == "cif"  # so it can be ordered


def test_heavy_hydrogen_is_hydrogen_and_a_note_says_so(tmp_path: Path) -> None:
    ice = Structure(Lattice.cubic(4.0), ["H", "H", "O"], [[0.2, 0, 0], [0, 0.2, 0], [0, 0, 0]]).as_dict()
    for site in ice["sites"][:2]:
        site["species"][0]["element"] = "D"
    (entry,) = read_entries(written(tmp_path / "ice.json", ice))
    _, atoms, _ = read_entry(entry)
    assert atoms.symbols.formula.count() == {"H": 2, "O": 1} and "read as hydrogen" in atoms.info[NOTE]


def test_what_is_damaged_is_one_entry_and_not_the_file(tmp_path: Path) -> None:
    damaged, odd = PEROVSKITE.as_dict(), PEROVSKITE.as_dict()
    del damaged["sites"][2]["abc"]
    odd["sites"][0]["species"][0]["element"] = "Qq"
    path = written(tmp_path / "a.json", [PEROVSKITE.as_dict(), damaged, odd])
    entries = list(read_entries(path))
    assert len(read_entry(entries[0])[1]) == 5
    for entry, message in zip(entries[1:], ("without its lattice or sites", "unknown element: 'Qq'"), strict=True):
        with pytest.raises(StructureError, match=message):
            read_entry(entry)


@pytest.mark.parametrize("bad", [{"structure": None}, {"structure": {}}, {"structure": "NaCl"}, {"band_gap": 1.0}, 3])
def test_a_document_without_a_structure_is_refused_alone(tmp_path: Path, bad: object) -> None:
    bad = {"material_id": "mp-2", **bad} if isinstance(bad, dict) else bad
    entries = list(read_entries(written(tmp_path / "a.json", [{"structure": PEROVSKITE.as_dict()}, bad])))
    assert len(read_entry(entries[0])[1]) == 5 and entries[1].id == ("mp-2" if isinstance(bad, dict) else "1")
    with pytest.raises(StructureError, match="unreadable: the document has no structure"):
        read_entry(entries[1])


def test_responses_of_the_api_are_the_list_in_them(tmp_path: Path) -> None:
    documents = [{"material_id": f"mp-{k}", "structure": PEROVSKITE.as_dict()} for k in range(2)]
    entries = read_entries(written(tmp_path / "a.json", {"data": documents, "meta": {"total_doc": 2}}))
    assert [(entry.id, len(read_entry(entry)[1])) for entry in entries] == [("mp-0", 5), ("mp-1", 5)]
    with pytest.raises(InputError, match="cannot read"):
        list(read_entries(written(tmp_path / "b.json", {"data": [1, 2]})))


def test_json_of_ase_is_read_by_ase_and_anything_else_refused(tmp_path: Path) -> None:
    write(tmp_path / "ase.json", bulk("Cu", a=3.6))
    (entry,) = read_entries(tmp_path / "ase.json")
    assert read_entry(entry)[1].get_chemical_formula() == "Cu"
    for name, content in (("a.json", [1, 2]), ("b.json", {"@module": "os", "@class": "system", "lattice": {}})):
        with pytest.raises(InputError, match="cannot read"):
            list(read_entries(written(tmp_path / name, content)))
    (tmp_path / "c.json").write_text("[" * 100_000)
    with pytest.raises(InputError, match="cannot read"):
        list(read_entries(tmp_path / "c.json"))
