"""What networks see: crystals, not cells; kept by content and by network; others plugged in."""

from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from asegen.errors import InputError
from asegen.metrics import evaluate
from asegen.metrics.embedding import FunctionEmbedder, NetworkEmbedder, load_embedder
from asegen.metrics.frechet import frechet_distance
from asegen.metrics.inputs import Floats, Inputs

SALT = bulk("NaCl", "rocksalt", a=5.64)

PLUGGED = """
from asegen.metrics.embedding import FunctionEmbedder

def sizes():
    return FunctionEmbedder("sizes", __file__, lambda atoms: [-1, len(atoms) / atoms.get_volume()])

text = "no embedder"
"""


def test_the_network_sees_crystals_not_cells(property_weights: dict[str, Path]) -> None:
    larger = SALT * (1, 2, 1)
    larger.rotate(40, (1, 2, 3), rotate_cell=True)
    embedder = NetworkEmbedder(str(property_weights["alignn"]))
    rows = embedder.rows([SALT, bulk("Au"), larger], Inputs(()), "")
    assert np.isnan(rows[1]).all()  # gold isn't in the training data
    assert rows.shape[1] > 2 and rows[2] == pytest.approx(rows[0], abs=1e-4)
    found = evaluate(
        [SALT, bulk("Cu"), bulk("Au")], [SALT, bulk("Cu")], metrics=["energy"], embedder=str(property_weights["alignn"])
    ).metrics["energy"]
    assert found.values["emd"] == pytest.approx(0, abs=1e-6)
    assert found.counts["unknown_to_network"] == 1
    assert found.using["sha256"] == sha256(property_weights["alignn"].read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def cgcnn_weights(property_weights: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CGCNN of a few training steps."""
    from lightning.fabric import Fabric

    from asegen.training.loop import WEIGHTS, train
    from asegen.training.recipe import recipe_from_table

    table = {
        "model": {"class": "CGCNN", "width": 8, "layers": 1},
        "task": {"class": "Regression"},
        "data": {"atom_budget": 20, "targets": ["formation_energy_per_atom"]},
        "optimizer": {"steps": 6, "warmup_steps": 1, "ema": 0.5},
    }
    folder, shards = tmp_path_factory.mktemp("cgcnn"), property_weights["shards"]
    train(recipe_from_table("cgcnn", table), shards, folder, Fabric(accelerator="cpu", devices=1))
    return folder / WEIGHTS


def test_the_distance_on_a_cgcnn(cgcnn_weights: Path) -> None:
    metals = [bulk("Cu", a=3.4 + 0.1 * k) for k in range(6)]
    rotated = [atoms * (1, 2, 1) for atoms in reversed(metals)]
    found = evaluate(rotated, metals, metrics=["fd-cgcnn"], cgcnn=str(cgcnn_weights)).metrics["fd-cgcnn"]
    assert found.values["distance"] == pytest.approx(0, abs=1e-6)
    assert found.using["network"] == "cgcnn" and found.counts["generated"] == 6
    rows = NetworkEmbedder(str(cgcnn_weights), "CGCNN").rows([*metals, SALT], Inputs(()), "")[:, 1:]
    other = evaluate([*metals[:5], SALT], metals, metrics=["fd-cgcnn"], cgcnn=str(cgcnn_weights)).metrics["fd-cgcnn"]
    assert rows.shape[1] == 8  # as wide as the layer that the head reads
    assert other.values["distance"] == pytest.approx(frechet_distance(rows[[0, 1, 2, 3, 4, 6]], rows[:6]))


def test_what_was_embedded_once_is_not_computed_again(
    property_weights: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = Inputs((), cache=tmp_path)
    first = NetworkEmbedder(str(property_weights["alignn"])).rows([SALT, bulk("Cu")], inputs, "")
    asked: list[str] = []

    def compute(self: NetworkEmbedder, structures: list[Atoms]) -> Floats:
        asked.extend(str(atoms.symbols) for atoms in structures)
        return np.zeros((len(structures), first.shape[1]))

    monkeypatch.setattr(NetworkEmbedder, "_compute", compute)
    again = NetworkEmbedder(str(property_weights["alignn"]))
    assert (again.rows([bulk("Cu"), SALT], inputs, "") == first[::-1]).all() and not asked
    again.rows([SALT, bulk("Cu", a=3.7)], inputs, "")
    assert asked == ["Cu"]
    other = NetworkEmbedder(str(property_weights["both"]))
    other.rows([SALT], inputs, "")
    assert asked == ["Cu", "NaCl"]  # another network's rows are not this one's


def test_networks_that_cannot_embed_are_refused(property_weights: dict[str, Path], tmp_path: Path) -> None:
    for name in ("ecn", "metal"):
        with pytest.raises(InputError, match="cannot embed"):
            NetworkEmbedder(str(property_weights[name]))
    with pytest.raises(InputError, match="ALIGNN, not CGCNN"):
        evaluate([SALT], [SALT], metrics=["fd-cgcnn"], cgcnn=str(property_weights["alignn"]))
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cache"):
        NetworkEmbedder(str(property_weights["alignn"])).rows([SALT], Inputs((), cache=tmp_path / "file"), "")


def test_a_function_of_a_crystal_is_an_embedder_pinned_by_its_checkpoint(tmp_path: Path) -> None:
    def row(atoms: Atoms) -> list[float]:
        if len(atoms) > 2:
            raise ValueError("too large")
        return [0.5, 7, len(atoms)]

    weights = tmp_path / "weights"
    weights.write_bytes(b"one")
    embedder = FunctionEmbedder("mine", weights, row)
    assert embedder.digest == sha256(b"one").hexdigest()
    rows = embedder.rows([SALT, SALT * (2, 1, 1), bulk("Cu")], Inputs((), cache=tmp_path), "")
    assert rows[[0, 2]].tolist() == [[0.5, 7, 2], [0.5, 7, 1]] and np.isnan(rows[1]).all()
    with pytest.raises(InputError, match="cannot read"):
        FunctionEmbedder("mine", tmp_path / "missing", row)


def test_python_code_on_the_command_line(tmp_path: Path) -> None:
    code = tmp_path / "mine.py"
    code.write_text(PLUGGED)
    rows = load_embedder(f"{code}:sizes").rows([SALT], Inputs(()), "")
    assert rows == pytest.approx(np.array([[-1, 2 / SALT.get_volume()]]))
    for name, complaint in ((":text", "lacks"), (":other", "lacks")):
        with pytest.raises(InputError, match=complaint):
            load_embedder(f"{code}{name}")
    with pytest.raises(InputError, match="no file of Python"):
        load_embedder(f"{tmp_path / 'missing.py'}:sizes")
    code.write_text("import alignn_that_is_not_there")
    with pytest.raises(InputError, match="ModuleNotFoundError"):
        load_embedder(f"{code}:sizes")
