"""What an installed asegen consists of."""

import configparser
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import asegen

ROOT = Path(__file__).resolve().parents[1]


def config() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    return parser


def origins(root: Path, folder: Path) -> list[Path]:
    """Where the two outer packages come from, for an interpreter that knows nothing but the standard library."""
    code = "import asegen.calculators, asegen.cli.main; print(asegen.calculators.__file__, asegen.cli.main.__file__)"
    surroundings = {**os.environ, "PYTHONPATH": str(root)}
    told = subprocess.run(
        [sys.executable, "-S", "-c", code], cwd=folder, env=surroundings, capture_output=True, text=True, check=True
    )
    return [Path(place) for place in told.stdout.split()]


def test_the_checkout_is_importable_without_an_installation(tmp_path: Path) -> None:
    found = origins(ROOT, tmp_path)
    assert found == [ROOT / "asegen" / "calculators" / "__init__.py", ROOT / "asegen" / "cli" / "main.py"]
    assert [p.resolve() for p in found] == [ROOT / "calculators" / "__init__.py", ROOT / "cli" / "main.py"]


def test_what_is_installed_is_what_is_on_the_disk_and_importable_without_the_checkout(tmp_path: Path) -> None:
    """Setuptools copies into a folder what it would put into a wheel."""
    build = [sys.executable, "-c", "import setuptools; setuptools.setup()", "--quiet", "build_py", "--build-lib"]
    subprocess.run([*build, str(tmp_path)], cwd=ROOT, check=True, capture_output=True)
    rooms = {ROOT / "asegen": "", ROOT / "calculators": "calculators", ROOT / "cli": "cli"}
    expected = {
        Path(name) / path.relative_to(room)
        for room, name in rooms.items()
        for path in room.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    installed = tmp_path / "asegen"
    found = {path.relative_to(installed) for path in installed.rglob("*") if path.is_file()}
    assert not expected - found, "setup.cfg lacks a package, or a pattern of package data"
    assert not found - expected
    assert not any(path.is_symlink() for path in installed.rglob("*"))
    assert origins(tmp_path, tmp_path) == [installed / "calculators" / "__init__.py", installed / "cli" / "main.py"]


def test_pins_satisfy_the_lower_bounds() -> None:
    pins = {line.split("==")[0].lower().replace("-", "_") for line in (ROOT / "constraints.txt").read_text().split()}
    wanted = {line.split(">=")[0].lower().replace("-", "_") for line in config()["options"]["install_requires"].split()}
    assert wanted <= pins


def test_version() -> None:
    assert version("asegen") == asegen.__version__
