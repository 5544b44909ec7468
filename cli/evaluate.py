"""The command `asegen evaluate`."""

from __future__ import annotations

import argparse
from pathlib import Path


class CLICommand:
    """Measure how good generated crystals are.

    Reads what "asegen ingest" reads. Broken structures are counted with their reason, never skipped. Without --metrics
    everything is measured for which there are structures and packages. Each figure is written with the protocol and
    version that it follows; figures of different protocols can't be compared.
    """

    @staticmethod
    def add_arguments(parser: argparse.ArgumentParser) -> None:
        """Declares the arguments."""
        add = parser.add_argument
        add("generated", type=Path, metavar="GENERATED", help="structures: CIF, CSV with CIFs, extxyz …, or a folder")
        add("--reference", type=Path, metavar="TEST", help="real crystals that they should resemble")
        add("--train", type=Path, metavar="TRAIN", help="real crystals that the generator has seen")
        add("--metrics", metavar="NAME,…", help="only these; an unknown name lists all")
        add(
            "--embedder",
            default="alignn-formation-energy",
            metavar="NAME|PATH|FILE.py:NAME",
            help="network behind energy and fad (default: alignn-formation-energy), or Python code that gives another",
        )
        add(
            "--cgcnn",
            default="cgcnn-formation-energy",
            metavar="NAME|PATH",
            help="network behind fd-cgcnn (default: cgcnn-formation-energy)",
        )
        add("--energy", metavar="BY", default="embedder", help="energies by the embedder (default) or by chgnet")
        add(
            "--cov-cutoffs",
            metavar="A,B",
            default="0.4,10",
            help="coverage: largest distances of structures and compositions (default: 0.4,10; Perov-5: 0.2,4)",
        )
        add(
            "--potential",
            metavar="NAME",
            help="relax structures by chgnet, sevennet … or module:object, for the metric stability (S.U.N., M.S.U.N.)",
        )
        add(
            "--protocol",
            default="classic",
            metavar="NAME",
            help="by what tolerances crystals are alike: classic (pymatgen's), lemat or mattergen (default: classic)",
        )
        add("--cache", type=Path, metavar="FOLDER", help="keep what is computed: an interrupted run goes on from there")
        add("--jobs", type=int, default=1, metavar="N", help="worker processes (default: 1)")
        add("--overwrite", action="store_true", help="replace the JSON file if it exists")
        add("--json", type=Path, metavar="OUT", help="write figures, protocols and versions to a file")

    @staticmethod
    def run(args: argparse.Namespace, parser: argparse.ArgumentParser) -> None:
        """Runs the command."""
        from asegen.cli.checks import check_folder, check_inputs, check_output, check_weights
        from asegen.metrics.protocols import find_protocol
        from asegen.metrics.registry import check_energy, choose
        from asegen.parallel.machine import check_jobs
        from asegen.potentials.registry import check_name
        from asegen.training.registry import PREDICTORS

        check_jobs(args.jobs)
        if args.json is not None:
            check_output(args.json, args.overwrite)
        if args.cache is not None:
            check_folder(args.cache)
        cutoffs = _cutoffs(args.cov_cutoffs, parser)
        for path in (args.generated, args.reference, args.train):
            if path is not None:
                check_inputs([path])
        check_energy(args.energy)
        find_protocol(args.protocol)
        if args.potential is not None:
            check_name(args.potential)
        named = args.metrics.split(",") if args.metrics else None
        metrics = choose(named, args.reference is not None, args.potential is not None)
        if "fd-cgcnn" in metrics:
            check_weights(args.cgcnn, PREDICTORS)
        if {"energy", "fad"} & set(metrics) and ":" not in args.embedder:
            check_weights(args.embedder, PREDICTORS)
        from asegen.cli.runs.evaluate import run_evaluation  # loads torch and ASE

        run_evaluation(args, metrics, cutoffs)


def _cutoffs(text: str, parser: argparse.ArgumentParser) -> tuple[float, float]:
    from asegen.metrics.registry import check_cutoffs

    try:
        structure, composition = (float(part) for part in text.split(","))
    except ValueError:
        parser.error(f"--cov-cutoffs {text}: two numbers are needed, such as 0.4,10")
    check_cutoffs((structure, composition))
    return structure, composition
