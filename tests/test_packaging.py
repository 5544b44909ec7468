"""What an installed asegen consists of."""

import configparser
import os
from fnmatch import fnmatch
from importlib.metadata import version
from pathlib import Path

import asegen

ROOT = Path(__file__).resolve().parents[1]


def config() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    return parser


def test_packages_are_what_is_on_the_disk() -> None:
    inside = {
        p.parent for p in (ROOT / "asegen").rglob("*.py") if p.parent.resolve().parts[-1] not in ("cli", "calculators")
    }
    outside = {path.parent for room in ("calculators", "cli") for path in (ROOT / room).rglob("*.py")}
    expected = {".".join(folder.relative_to(ROOT).parts) for folder in inside}
    expected |= {".".join(("asegen", *folder.relative_to(ROOT).parts)) for folder in outside}
    assert set(config()["options"]["packages"].split()) == expected


def test_everything_that_is_no_module_is_package_data() -> None:
    patterns = config()["options.package_data"]["asegen"].split()
    for path in (ROOT / "asegen").rglob("*"):
        if path.is_file() and path.suffix not in (".py", ".pyc"):
            relative = path.relative_to(ROOT / "asegen").as_posix()
            assert any(fnmatch(relative, pattern) for pattern in patterns), f"{relative} would not be installed"


def test_links_make_the_checkout_importable() -> None:
    for name in ("calculators", "cli"):
        assert os.readlink(ROOT / "asegen" / name) == f"../{name}"


def test_pins_satisfy_the_lower_bounds() -> None:
    pins = {line.split("==")[0].lower().replace("-", "_") for line in (ROOT / "constraints.txt").read_text().split()}
    wanted = {line.split(">=")[0].lower().replace("-", "_") for line in config()["options"]["install_requires"].split()}
    assert wanted <= pins


def test_version() -> None:
    assert version("asegen") == asegen.__version__
