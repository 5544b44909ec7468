"""From your own crystals to your own generator: files, `asegen ingest`, `asegen train --init`, `asegen generate`.

Rock salts of a few lattice constants stand in for your crystals; ten steps stand in for an hour of fine-tuning.
"""

import tempfile
from pathlib import Path

from ase.build import bulk
from ase.io import write

from asegen.cli.main import main


def fine_tune(here: Path) -> None:
    """Writes crystals, shards, a model and two new structures into a folder."""
    crystals = [bulk(name, "rocksalt", a=a) for name in ("NaCl", "MgO", "LiF") for a in (4.2, 4.6, 5.0, 5.4)]
    write(here / "train.extxyz", crystals[:9])
    write(here / "val.extxyz", crystals[9:])
    main(["ingest", str(here / "train.extxyz"), str(here / "val.extxyz"), "-o", str(here / "shards"), "--jobs", "1"])
    recipe = ["torusflow-mp", "--init", "torusflow-mp", "--steps", "10", "--precision", "32-true"]
    main(["train", *recipe, "--data", str(here / "shards"), "--out", str(here / "run"), "--accelerator", "cpu"])
    model = str(here / "run" / "weights.safetensors")
    main(["generate", "NaCl", "-n", "2", "--model", model, "-o", str(here / "new.extxyz")])


if __name__ == "__main__":  # ingest starts worker processes, which import this file
    with tempfile.TemporaryDirectory() as folder:
        fine_tune(Path(folder))
