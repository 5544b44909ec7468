"""The lowest versions that setup.cfg allows for the libraries whose interfaces asegen lives by."""

import configparser
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ase.io import read
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
LOWEST = ("ase", "numpy", "pymatgen", "spglib")
NEWER = {"pymatgen-core", "scipy"}
"""Pins that need newer versions of these; pip looks for others."""
PARTS = ("asegen", "calculators", "cli", "setup.cfg", "pyproject.toml", "README.md", "LICENSE")


def lower_bounds() -> dict[str, str]:
    """Versions by name."""
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    wanted = dict(line.split(">=") for line in parser["options"]["install_requires"].split())
    return {name: wanted[name] for name in LOWEST}


def copy_of_the_source(place: Path) -> Path:
    """A build leaves folders behind: not in the checkout."""
    for name in PARTS:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, place / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            place.mkdir(exist_ok=True)
            shutil.copy(source, place / name)
    return place


@pytest.mark.slow
def test_generate_relax_and_predict_work_with_the_lowest_versions(tmp_path: Path) -> None:
    pins = (ROOT / "constraints.txt").read_text().split()
    kept = [pin for pin in pins if pin.split("==")[0] not in {*LOWEST, *NEWER}]
    lowest = [f"{name}=={bound}" for name, bound in lower_bounds().items()]
    (tmp_path / "lowest.txt").write_text("\n".join([*kept, *lowest]))
    room = tmp_path / "venv" / "bin"
    surroundings = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}

    def run(*command: str | Path) -> str:
        done = subprocess.run(command, cwd=tmp_path, env=surroundings, capture_output=True, text=True)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    run(sys.executable, "-m", "venv", "venv")
    pip = (room / "pip", "install", "--quiet", "--disable-pip-version-check")
    run(*pip, "--constraint", "lowest.txt", copy_of_the_source(tmp_path / "source"))
    code = f"from importlib.metadata import version; print(*map(version, {LOWEST}))"
    installed = map(Version, run(room / "python", "-c", code).split())
    assert list(installed) == [Version(lower_bounds()[name]) for name in LOWEST]
    assert str(tmp_path / "venv") in run(room / "python", "-c", "import asegen; print(asegen.__file__)")
    run(room / "asegen", "generate", "NaCl", "-n", "1", "--seed", "1", "-o", "made.extxyz")
    run(room / "asegen", "relax", "made.extxyz", "-o", "relaxed.extxyz")
    told = run(room / "asegen", "predict", "relaxed.extxyz", "--property", "formation_energy")
    assert len(read(tmp_path / "relaxed.extxyz")) == 2 and "NaCl" in told
