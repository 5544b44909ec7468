"""The house's order: imports go one way, the lower floors need no chemistry library, and start-up is light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# Ground floor first; a room imports only from floors below its own. `data` holds what training reads, so it lies beside
# models and diffusion; `generators` is training's door to generation.
FLOORS: list[set[str]] = [
    {"errors"},
    {"workers"},
    {"geometry", "elements"},
    {"crystal"},
    {"graph", "orbits"},
    {"nn"},
    {"models", "diffusion", "relaxation", "properties", "data"},
    {"training"},
    {"trained"},
    {"generators"},
    {"relaxers", "predictors"},
    {"structure_checks"},
    {"symmetry"},
    {"cif"},
    {"structure_files"},
    {"atoms"},
    {"prepare"},
    {"ingest"},
    {"metrics", "templates"},
    {"candidates"},
    {"screening"},
    {"report"},
    {"calculators"},
    {"cli"},
]
BARE_MACHINE = {"torch", "torch_geometric", "numpy", "scipy", "lightning", "safetensors"}
BARE_FLOORS = {room for floor in FLOORS[:11] for room in floor}


def modules() -> list[tuple[str, Path]]:
    inside = [
        p
        for p in (ROOT / "asegen").rglob("*.py")
        if p.relative_to(ROOT / "asegen").parts[0] not in ("cli", "calculators")
    ]
    outside = [p for folder in ("calculators", "cli") for p in (ROOT / folder).rglob("*.py")]
    found = [(p.relative_to(ROOT / "asegen").with_suffix("").parts[0], p) for p in inside]
    found += [(p.relative_to(ROOT).parts[0], p) for p in outside]
    return [(room, path) for room, path in found if room != "__init__"]


def imports_of(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            found |= {
                f"{node.module}.{alias.name}" if node.module == "asegen" else str(node.module) for alias in node.names
            }
    return found


@pytest.mark.parametrize(("room", "path"), modules(), ids=lambda value: str(value).removeprefix(str(ROOT)))
def test_imports_go_down(room: str, path: Path) -> None:
    floor_of = {name: k for k, floor in enumerate(FLOORS) for name in floor}
    assert room in floor_of, f"{room} has no floor"
    for name in imports_of(path):
        parts = name.split(".")
        if parts[0] == "asegen" and len(parts) > 1 and parts[1] != "__version__":
            assert parts[1] == room or floor_of[parts[1]] < floor_of[room], f"{path} imports {name}"
        elif room in BARE_FLOORS and parts[0] != "asegen":
            assert parts[0] in BARE_MACHINE | sys.stdlib_module_names, f"{path} imports {name}"


def test_help_imports_neither_torch_nor_pymatgen() -> None:
    code = (
        "import sys, asegen.cli.main as m\n"
        "try: m.main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'pymatgen', 'ase', 'lightning', 'matplotlib', 'scipy'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
