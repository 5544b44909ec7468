"""The house's order: imports go one way, the lower floors need no chemistry library, and start-up is light."""

import ast
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

# Ground floor first; a room imports only from floors below its own. Doors that are opened by name at run time
# (`asegen.__getattr__`, `asegen.calculators.__getattr__`, the table of commands) are no imports.
FLOORS: list[set[str]] = [
    {"errors", "elements"},
    {"arguments"},
    {"geometry", "parallel"},
    {"crystals"},
    {"nn", "data", "structures"},
    {"models", "diffusion", "relaxation", "properties", "symmetry", "potentials", "hull"},
    {"training", "ingest"},
    {"trained"},
    {"prototypes"},
    {"calculators"},
    {"metrics", "criteria"},
    {"generation"},
    {"discovery"},
    {"screening"},
    {"cli"},
]
BARE_FLOORS = {
    *("errors", "elements", "arguments", "geometry", "crystals", "nn", "data", "properties"),
    *("models", "diffusion", "relaxation", "training", "trained"),
}
LOOSE = {"__init__", "arguments", "errors", "elements"}
BARE_MACHINE = {"torch", "torch_geometric", "numpy", "scipy", "lightning", "safetensors"}


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


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(("asegen", *parts) if parts[0] != "asegen" else parts).removesuffix(".__init__")


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


def test_imports_go_down() -> None:
    floor_of = {name: k for k, floor in enumerate(FLOORS) for name in floor}
    wrong = []
    for room, path in modules():
        assert room in floor_of, f"{room} has no floor"
        for name in imports_of(path):
            parts = name.split(".")
            if parts[0] == "asegen" and len(parts) > 1 and parts[1] != "__version__":
                if parts[1] != room and floor_of[parts[1]] >= floor_of[room]:
                    wrong.append(f"{path} imports {name}")
            elif room in BARE_FLOORS and parts[0] not in BARE_MACHINE | {"asegen"} | sys.stdlib_module_names:
                wrong.append(f"{path} imports {name}, which a machine for training lacks")
    assert not wrong, "\n".join(wrong)


def test_no_module_imports_itself_in_a_circle() -> None:
    needs = {name_of(path): {name for name in imports_of(path) if name.startswith("asegen.")} for _, path in modules()}
    done: set[str] = set()

    def visit(name: str, above: tuple[str, ...]) -> None:
        assert name not in above, " -> ".join([*above, name])
        if name not in done:
            for other in needs.get(name, ()):
                visit(other, (*above, name))
            done.add(name)

    for name in needs:
        visit(name, ())


def test_loose_modules_are_few() -> None:
    assert {path.stem for path in (ROOT / "asegen").glob("*.py")} <= LOOSE


def test_help_imports_neither_torch_nor_pymatgen() -> None:
    code = (
        "import sys, asegen.cli.main as m\n"
        "try: m.main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'pymatgen', 'ase', 'lightning', 'matplotlib', 'scipy'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
