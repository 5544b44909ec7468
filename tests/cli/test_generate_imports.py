"""`asegen generate` refuses before anything heavy is loaded."""

import json
import os
import subprocess
import sys
from pathlib import Path

HEAVY = {"torch", "pymatgen", "spglib", "scipy", "lightning", "matplotlib", "pandas", "chgnet"}
REFUSED = {
    "an element that isn't there": ["Xx2"],
    "a formula that is none": ["SrTiO-3"],
    "a missing file": ["--from", "no-such-file.csv"],
    "a model that isn't there": ["NaCl", "--model", "no-such-model"],
    "a group beyond the last": ["NaCl", "--spacegroup", "231"],
    "a bad shard": ["NaCl", "--shard", "3/2"],
    "a bad picture": ["NaCl", "--plot", "a.xyz"],
    "an output that is there": ["NaCl", "-o", "there.extxyz"],
    "an unknown format": ["NaCl", "-o", "a.pdf"],
    "nothing": [],
    "two sources": ["NaCl", "--system", "Na-Cl"],
    "a bad system": ["--system", "Na-Xx"],
    "no structures": ["NaCl", "-n", "0"],
    "no steps": ["NaCl", "--steps", "0"],
    "bad sites": ["--spacegroup", "225", "--sites", "Na"],
    "more kept than there are": ["NaCl", "--rank", "none", "-n", "3", "--keep", "4"],
}
CODE = """
import json, sys
from asegen.cli.main import main
codes = []
for arguments in json.loads(sys.argv[1]):
    try:
        main(["generate", *arguments])
    except SystemExit as end:
        codes.append(end.code)
print(json.dumps([codes, sorted({name.partition(".")[0] for name in sys.modules})]))
"""


def loaded(place: Path, *commands: list[str]) -> tuple[list[int], set[str]]:
    """Exit codes of commands that run in one new process, and what it has imported at its end."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", CODE, json.dumps(commands)], cwd=place, env=environment, capture_output=True, text=True
    )
    codes, modules = json.loads(done.stdout.splitlines()[-1])
    return codes, set(modules)


def test_what_is_refused_is_refused_before_anything_heavy_is_loaded(tmp_path: Path) -> None:
    (tmp_path / "there.extxyz").write_text("")
    commands = [arguments if "-o" in arguments else [*arguments, "-o", "new.extxyz"] for arguments in REFUSED.values()]
    codes, modules = loaded(tmp_path, *commands)
    assert dict(zip(REFUSED, codes, strict=True)) == dict.fromkeys(REFUSED, 2)
    assert not modules & HEAVY
