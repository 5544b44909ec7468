"""References: elements by the same calculator and their cache; tables; a stand-in for the MP's server."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlparse

import ase.io
import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from ase.collections import dcdft

from asegen.errors import AsegenError, InputError
from asegen.potentials import elements
from asegen.potentials.engine import MP2020, Engine, find_engine
from asegen.screening import screen
from asegen.screening.stages.materials_project import materials_project
from asegen.screening.stages.phase_diagram import place
from asegen.screening.stages.phases import CANDIDATE, ELEMENT, Phase
from asegen.screening.stages.references import computed, element_reference, read_reference


def test_an_element_is_computed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = find_engine("emt")
    first = element_reference("Cu", engine, tmp_path)
    atoms = bulk("Cu", a=3.59)
    atoms.calc = EMT()
    assert first.phase.energy == pytest.approx(atoms.get_potential_energy(), abs=1e-4)
    assert first.phase.kind == ELEMENT and first.phase.energy_scale == "EMT" and first.reason == ""
    monkeypatch.setattr(elements, "minimise", None)  # would fail
    assert element_reference("Cu", engine, tmp_path) == first
    other = Engine("emt", "another emt", "EMT", engine.elements)
    assert element_reference("Cu", other, tmp_path).phase is None  # computed anew, under its own identity
    (file,) = tmp_path.rglob("Cu.json")
    file.write_text(file.read_text()[:20])  # as a full disk would leave it
    assert element_reference("Cu", engine, tmp_path).phase is None


def test_reasons_why_there_is_none(tmp_path: Path) -> None:
    engine = find_engine("emt")
    assert "emt does not know Na" in element_reference("Na", engine, tmp_path).reason
    anything = Engine("emt", "emt", "EMT")
    assert "no crystal of Pu" in element_reference("Pu", anything, tmp_path).reason
    assert "the calculator failed" in element_reference("Na", anything, tmp_path).reason
    assert not list(tmp_path.rglob("*.json"))  # failures aren't kept


def test_a_cache_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot hold a cache"):
        element_reference("Cu", find_engine("emt"), tmp_path / "file")


def test_a_crystal_without_energy_is_computed() -> None:
    atoms = bulk("CuAu", "cesiumchloride", a=3.1)
    found = computed("mine", atoms, find_engine("emt"))
    assert found.phase.formula == "AuCu" and found.phase.energy_scale == "EMT" and np.isfinite(found.phase.energy)
    assert computed("salt", bulk("NaCl", "rocksalt", a=5.6), find_engine("emt")).reason.startswith("salt: ")


def test_a_table_of_compositions(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(
        "material_id,formula,energy_per_atom,energy,energy_scale\n"
        "a,NaCl,-3.4,,MP2020\n"
        "b,Na4Cl4,,-27.2,MP2020\n"
        "c,K2O,,,MP2020\n"
        "d,Xx2,-1,,MP2020\n"
        "e,KCl,inf,,MP2020\n"
        "f,KCl,-3.1,,\n"
    )
    table = read_reference(tmp_path / "t.csv", "DFT")
    assert [(p.id, p.energy, p.energy_scale) for p in table.phases] == [
        ("a", -3.4, "MP2020"), ("b", -3.4, "MP2020"), ("f", -3.1, "DFT"),
    ]  # fmt: skip
    assert [line.split(", ")[1].split(":")[0] for line in table.problems] == ["c", "d", "e"]
    with pytest.raises(InputError, match="energy_scale"):
        read_reference(tmp_path / "t.csv")


def test_a_file_without_a_phase_is_refused_before_the_work(tmp_path: Path) -> None:
    for name, text, words in (("a.csv", "a,b\n1,2\n", "is no formula"), ("b.csv", "formula\nNaCl\n", "neither an en")):
        (tmp_path / name).write_text(text)
        with pytest.raises(InputError, match=f"{name}: no phase in it can be used; .*{words}") as refused:
            screen(bulk("Cu"), tmp_path / "run", "emt", reference=str(tmp_path / name))
        assert refused.value.parameters == ("reference",)
    assert not (tmp_path / "run" / "results.csv").exists()


def test_structures_with_and_without_energies(tmp_path: Path) -> None:
    salt, copper, overlapping = bulk("NaCl", "rocksalt", a=5.6), bulk("Cu"), bulk("Cu")
    salt.calc = SinglePointCalculator(salt, energy=-6.8)
    salt.info |= {"energy_scale": MP2020, "material_id": "salt"}
    overlapping.set_cell(overlapping.cell * 0.1, scale_atoms=True)
    ase.io.write(tmp_path / "t.extxyz", [salt, copper, overlapping])
    table = read_reference(tmp_path / "t.extxyz")
    (phase,), ((id, atoms),) = table.phases, table.structures
    assert (phase.id, phase.energy, phase.energy_scale) == ("salt", pytest.approx(-3.4), MP2020)
    assert id == "1" and len(atoms) == 1 and len(table.problems) == 1


class Server(BaseHTTPRequestHandler):
    """Answers as the API does: pages of documents of the chemical systems asked for."""

    documents = [{"material_id": f"mp-{k}", "formula_pretty": "NaCl", "energy_per_atom": -3.0} for k in range(1003)]
    asked: list[dict] = []

    def do_GET(self) -> None:
        query = {key: value[0] for key, value in parse_qs(urlparse(self.path).query).items()}
        self.asked.append(query)
        start, size = int(query["_skip"]), int(query["_limit"])
        page = self.documents[start : start + size] + [{"material_id": "x", "energy_per_atom": None}] * (start > 0)
        status = 200 if self.headers["X-API-KEY"] == "right" else 403
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps({"data": page}).encode() if query["chemsys"] != "Xe" else b"nonsense")

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    Server.asked = []
    with HTTPServer(("127.0.0.1", 0), Server) as http:
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()
        thread.join()


def test_the_materials_projects_phases(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = materials_project([["Na", "Cl"], ["Cl", "Na"]], "right", server)
    assert len(found) == 1003 and found[0] == Phase("mp-0", "NaCl", -3.0, MP2020)
    assert [query["_skip"] for query in Server.asked] == ["0", "1000"]
    assert Server.asked[0]["chemsys"] == "Cl,Cl-Na,Na" and Server.asked[0]["thermo_types"] == "GGA_GGA+U"
    monkeypatch.setenv("MP_API_KEY", "wrong")
    with pytest.raises(AsegenError, match="refuses the key"):
        materials_project([["Na"]], url=server)
    with pytest.raises(AsegenError, match="no answer"):
        materials_project([["Xe"]], "right", server)


def test_no_key_no_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MP_API_KEY", raising=False)
    with pytest.raises(AsegenError, match="MP_API_KEY"):
        materials_project([["Na"]], url="http://127.0.0.1:1")
    with pytest.raises(AsegenError, match="no answer"):
        materials_project([["Na"]], "key", "http://127.0.0.1:1")


@pytest.mark.slow
def test_salt_and_sulphide_by_chgnet(tmp_path: Path) -> None:
    """NaCl in three structures as the specification gives it; the references' energies beside those of the MP."""
    pytest.importorskip("chgnet")
    engine = find_engine("chgnet")
    known = [element_reference(symbol, engine, tmp_path).phase for symbol in ("Na", "Cl", "S")]
    # energy per atom of the MP's entries mp-10172, mp-22848, mp-77
    assert [phase.energy for phase in known] == pytest.approx([-1.31, -1.85, -4.14], abs=0.06)
    crystals = {"rocksalt": 5.6, "zincblende": 6.1, "cesiumchloride": 3.45}
    phases = []
    for name, a in crystals.items():
        phase = computed(name, bulk("NaCl", name, a=a), engine).phase
        phases.append(Phase(name, phase.formula, phase.energy, phase.energy_scale, CANDIDATE))
    found, _ = place(phases, known)
    assert [placement.e_hull for placement in found] == pytest.approx([0.0, 0.078, 0.112], abs=0.005)
    assert "S" in dcdft.names  # the set that the reference of sulphur departs from
