"""What relax, predict and evaluate say of bad command lines before anything heavy is loaded; see test_imports too."""

import json
import subprocess
import sys
from pathlib import Path

HEAVY = {"torch", "ase", "pymatgen", "scipy", "pandas", "matplotlib", "lightning", "rich"}
REFUSED = {
    "relax here.cif -o here.cif": "--overwrite",
    "relax here.cif -o here.cif/out.cif": "no folder",
    "relax here.cif -o out.cif --model torusflow-mp": "holds weights for TorusFlow",
    "relax here.cif -o out.cif --fmax inf": "--fmax inf",
    "relax here.cif -o out.cif --symprec 0": "--symprec 0",
    "predict here.cif --property beauty": "no weights of alignn for the property 'beauty'; there are band_gap",
    "predict here.cif --model here.cif": "safetensors",
    "predict here.cif -o out.xlsx": "unknown format",
    "evaluate here.cif --metrics beauty": "there are: validity",
    "evaluate here.cif --metrics density": "needs reference structures",
    "evaluate here.cif --reference here.cif --embedder gold": "no model 'gold'",
    "evaluate here.cif --jobs 0": "at least one process",
    "evaluate here.cif --jobs 100000000": "--jobs 100000000: 1024 at most",
    "evaluate here.cif --cov-cutoffs 1": "two numbers",
    "evaluate here.cif --cov-cutoffs nan,inf": "two positive distances",
    "relax here.cif -o out.cif --steps 1000000000": "--steps 1000000000: 100000 at most",
}
CODE = """
import contextlib, io, json, sys
from asegen.cli.main import main
found = {}
for line in json.loads(sys.argv[1]):
    error = io.StringIO()
    with contextlib.redirect_stderr(error), contextlib.suppress(SystemExit):
        main(line.split())
    found[line] = [error.getvalue(), sorted(set(json.loads(sys.argv[2])) & set(sys.modules))]
print(json.dumps(found))
"""


def test_refusals_come_first(tmp_path: Path) -> None:
    (tmp_path / "here.cif").write_text("data_x\n")
    command = [sys.executable, "-c", CODE, json.dumps(list(REFUSED)), json.dumps(sorted(HEAVY))]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    for line, (message, heavy) in json.loads(done.stdout).items():
        assert message.startswith("asegen: error: ") and message.count("\n") == 1
        assert REFUSED[line] in message, line
        assert not heavy, (line, heavy)
