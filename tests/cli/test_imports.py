"""Which modules a command has imported: that decides how long it takes to start and, unlike time, is the same anywhere.

A bad command line is refused before anything heavy is loaded; a good one loads what it needs and no more.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from ase.build import bulk
from ase.io import write

HEAVY = {
    *("torch", "pymatgen", "spglib", "scipy", "lightning", "pandas", "ase.io", "matplotlib", "torch_geometric"),
    "chgnet",
}
"""What no refusal loads; ASE's tables of elements are light."""
UNNEEDED = {
    *("torch_geometric", "torch._dynamo", "torch._inductor", "lightning", "sklearn", "pandas", "matplotlib", "pyxtal"),
    *("pymatgen.analysis.phase_diagram", "pymatgen.transformations", "asegen.screening", "asegen.metrics"),
    *("asegen.training.loop", "asegen.ingest.prepare", "chgnet", "matminer"),
}
"""What no command loads that draws, moves or judges one structure."""

UNNEEDED_BY_SCREEN = {
    *("torch", "sympy", "matplotlib", "pandas", "phonopy"),
    *("pymatgen.analysis.phase_diagram", "pymatgen.transformations", "pymatgen.io.vasp.sets"),
}
"""What only the workers of a screening load."""

REFUSED = [
    "discover -n 0 -o a.extxyz",
    "discover --elements Li|Xq -o a.extxyz",
    "discover --target nope=1..2 -o a.extxyz",
    "discover --potential nope -o a.extxyz",
    "discover -o a.foo",
    "evaluate {crystal} --metrics stability --potential nope",
    "generate NaCl --target nope=1..2 -o a.extxyz",
    "evaluate absent.extxyz",
    "evaluate {crystal} --reference absent.csv",
    "generate Xq -o a.extxyz",
    "generate SrTiO-3 -o a.extxyz",
    "generate -o a.extxyz",
    "generate NaCl --system Na-Cl -o a.extxyz",
    "generate --system Na-Xx -o a.extxyz",
    "generate NaCl -n 0 -o a.extxyz",
    "generate NaCl --steps 0 -o a.extxyz",
    "generate NaCl --shard 3/2 -o a.extxyz",
    "generate NaCl --plot a.xyz -o a.extxyz",
    "generate NaCl -o {crystal}",
    "generate --spacegroup 225 --sites Na -o a.extxyz",
    "generate NaCl --rank none -n 3 --keep 4 -o a.extxyz",
    "generate NaCl -o a.foo",
    "generate NaCl --spacegroup 231 -o a.extxyz",
    "generate NaCl --model nope -o a.extxyz",
    "generate --from absent.csv -o a.extxyz",
    "ingest absent.cif -o out",
    "judge-data --model nope -o out --data absent",
    "judge-data --data absent -o out",
    "models nope",
    "predict absent.cif",
    "predict {crystal} --model nope",
    "relax absent.cif -o a.cif",
    "relax {crystal} --model nope -o a.cif",
    "relax {crystal} -o a.foo",
    "screen absent.extxyz --workdir run",
    "screen {crystal} --workdir run --calculator nope",
    "screen {crystal} --workdir run --fmax 0",
    "screen {crystal} --workdir run --job-script absent.sh",
    "screen {crystal} --workdir run --jobs 0",
    "screen {crystal} --workdir run --pseudopotentials absent",
    "screen {crystal} --workdir run --reference absent.csv",
    "screen {crystal} --workdir run --relaxer nope",
    "screen {crystal} --workdir run --stages nope",
    "symmetrize absent.cif -o a.cif",
    "symmetrize {crystal} -o a.foo",
    "symmetrize {crystal} -o a.cif --symprec 7",
    "train nope --data absent --out run",
    "train torusflow-mp --data absent --out run",
    "train torusflow-mp --data absent --out run --init nope",
]

WORK = [
    ("models", HEAVY, set()),
    ("generate NaCl -n 1 --steps 2 -o a.extxyz", UNNEEDED, {"transformer", "empnn", "alignn"}),
    ("generate NaCl -n 1 --steps 2 -o a.extxyz --method diffusion", UNNEEDED, {"transformer", "alignn"}),
    ("generate NaCl -n 1 -o a.extxyz --spacegroup 225 --quick", UNNEEDED, {"transformer", "alignn"}),
    ("relax {crystal} -o a.extxyz", UNNEEDED, {"empnn"}),
    ("predict {crystal} --model alignn-band-gap -o a.csv", UNNEEDED, {"alignn"}),
    ("screen {crystal} --workdir run --calculator emt --jobs 1 --stages dedup,prerelax", UNNEEDED_BY_SCREEN, set()),
    ("symmetrize {crystal} -o a.extxyz", UNNEEDED | {"lightning"}, set()),
]
"""A command, what it doesn't load, and the networks that it may."""
NETWORKS = {"alignn", "cgcnn", "dimenet", "ecn", "empnn", "gemsnet", "megnet", "transformer"}

CODE = """
import json, sys
from asegen.cli.main import main
for line in json.loads(sys.argv[1]):
    code = 0
    try:
        main(line.split())
    except SystemExit as error:
        code = error.code or 0
    print(json.dumps([line, code, sorted(sys.modules)]), file=sys.__stdout__)
"""


def run(folder: Path, *lines: str) -> list[tuple[str, int, set[str]]]:
    """Runs commands, one after the other, in one new process.

    Returns:
        Of each its line, its exit code, and the modules that have been imported by then.
    """
    crystal = folder / "crystal.cif"
    write(crystal, bulk("NaCl", "rocksalt", a=5.7))
    given = json.dumps([line.format(crystal=crystal) for line in lines])
    done = subprocess.run([sys.executable, "-c", CODE, given], cwd=folder, capture_output=True, text=True)
    found = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]
    assert len(found) == len(lines), done.stderr
    return [(line, code, set(modules)) for line, code, modules in found]


def within(modules: set[str], packages: set[str]) -> set[str]:
    """The modules that are, or lie in, some packages."""
    return {name for name in modules if any(f"{name}.".startswith(f"{package}.") for package in packages)}


def test_refusals_load_nothing_heavy(tmp_path: Path) -> None:
    for line, code, modules in run(tmp_path, *REFUSED):
        assert code == 2, line
        assert not within(modules, HEAVY) & HEAVY, f"loaded by: {line}"


@pytest.mark.parametrize(("line", "unneeded", "networks"), WORK, ids=[line for line, _, _ in WORK])
def test_a_command_loads_what_it_needs(tmp_path: Path, line: str, unneeded: set[str], networks: set[str]) -> None:
    ((_, code, modules),) = run(tmp_path, line)
    assert code == 0
    assert not within(modules, unneeded)
    found = {name.split(".")[2] for name in within(modules, {f"asegen.models.{network}" for network in NETWORKS})}
    assert found <= networks
