"""Match rates, and the protocol of the paper of the symmetric score model."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
from ase import Atoms

from asegen.metrics import evaluate
from by_symmetry.drawing import GROUPED, drawn, kept, rows, source_of, wanted

MONOCLINIC = 15
"""The last group that the paper leaves out."""


def match_table(test: Path, workdir: Path, by: str, n: int | None, jobs: int) -> None:
    """The match rate of one structure for each of all, or of n random crystals."""
    crystals = rows(test)
    if n is not None:
        crystals = [crystals[k] for k in np.random.default_rng(0).permutation(len(crystals))[:n]]
    source = source_of(by)
    targets = wanted(crystals, source, grouped=by in GROUPED)
    made = drawn(source, targets, 1, 1, workdir / f"match-{by}-{len(crystals)}")
    figures = evaluate(made, crystals, metrics=["match"], jobs=jobs, cache=workdir / "cache").metrics["match"].values
    print(f"match, by {by}, {len(crystals)} crystals: {figures}")
    precedents = Counter(atoms.info.get("source", "diffusion") for atoms in made)
    print(f"drawn by: {dict(precedents)}; exact groups: {np.mean([atoms.info['valid'] for atoms in made]):.4f}")


def protocol_table(test: Path, train: Path, workdir: Path, by: str, n: int, jobs: int) -> None:
    """COV and Fréchet distances of n structures, and of as many real ones; no triclinic and no monoclinic crystals."""
    reference = [atoms for atoms in rows(test) if len(atoms) <= 20 and atoms.info["group"] > MONOCLINIC]
    random = np.random.default_rng(1)
    chosen = [reference[k] for k in random.permutation(len(reference))[:n]]
    source = source_of(by)
    made = drawn(source, wanted(chosen, source), 1, 1, workdir / f"protocol-{by}-{n}")
    known = kept(workdir / f"real-{n}.extxyz", lambda: real_sample(train, n))
    for name, structures in ((f"by {by}", made), ("real", known)):
        found = evaluate(
            structures,
            reference,
            metrics=["coverage", "fd-crystalnn", "fd-cgcnn"],
            jobs=jobs,
            cache=workdir / "cache",
        )
        figures = {f"{metric}: {key}": v for metric, m in found.metrics.items() for key, v in m.values.items()}
        print(f"protocol, {name}, {len(structures)} against {len(reference)}:")
        print("\n".join(f"    {key:40} {value:.4f}" for key, value in figures.items()), flush=True)


def real_sample(train: Path, n: int) -> list[Atoms]:
    """Random real crystals to be measured like generated ones."""
    real = [atoms for atoms in rows(train) if len(atoms) <= 20]
    mixed = [real[k] for k in np.random.default_rng(1).permutation(len(real))]
    return [atoms for atoms in mixed if atoms.info["group"] > MONOCLINIC][:n]
