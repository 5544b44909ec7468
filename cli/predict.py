"""The command `asegen predict`."""

from __future__ import annotations

import argparse
from pathlib import Path

DEFAULT_PROPERTY = "formation_energy"
FORMATS = (".csv", ".json", ".extxyz")


class CLICommand:
    """Predict a property of crystals.

    Reads what "asegen ingest" reads. OUT's name decides the format: .csv, .json, or .extxyz, whose frames carry the
    values in their info, and those of atoms, such as moments, in their arrays. Every structure gets a row: its value
    with a standard deviation, or a status that says why there is none. Without -o a table is printed.
    """

    @staticmethod
    def add_arguments(parser: argparse.ArgumentParser) -> None:
        """Declares the arguments."""
        add = parser.add_argument
        add("input", nargs="+", type=Path, metavar="FILE", help="structures: CIF, CSV with CIFs, extxyz …, or a folder")
        add(
            "--property",
            metavar="NAME",
            help="band_gap, bulk_modulus, shear_modulus, metal … (default: formation_energy)",
        )
        add(
            "--model",
            default="alignn",
            metavar="NAME|PATH",
            help="kind of network, or a shipped model's full name, or a file of weights (default: alignn)",
        )
        add("--device", default="auto", help="auto, cpu, cuda, cuda:1 …")
        add("--overwrite", action="store_true", help="replace OUT if it exists")
        add("-o", "--output", type=Path, metavar="OUT", help="where the values go: .csv, .json, .extxyz")

    @staticmethod
    def run(args: argparse.Namespace, parser: argparse.ArgumentParser) -> None:
        """Runs the command."""
        from asegen.cli.checks import check_inputs, check_output, check_weights
        from asegen.training.registry import PREDICTORS

        if args.output is not None and args.output.suffix not in FORMATS:
            parser.error(f"{args.output}: unknown format {args.output.suffix!r}; use .csv, .json or .extxyz")
        if args.output is not None:
            check_output(args.output, args.overwrite)
        check_inputs(args.input)
        model = find_model(args.model, args.property)
        check_weights(model, PREDICTORS)
        from asegen.cli.runs.predict import run_prediction  # loads torch and ASE

        run_prediction(args.input, model, args.device, args.output)


def find_model(model: str, wanted: str | None) -> str:
    """The name or path of weights: `model` itself, or `<model>-<property>`.

    Raises:
        InputError: there are none of that name, or they are of another property.
        CheckpointError: the file holds no weights.
    """
    from asegen.errors import InputError
    from asegen.trained.weights import shipped_weights

    shipped = shipped_weights()
    if model in shipped or Path(model).is_file():
        _check_property(model, wanted)
        return model
    wanted = wanted or DEFAULT_PROPERTY
    name = f"{model}-{wanted.replace('_', '-')}"
    if name in shipped:
        return name
    if known := [name.removeprefix(f"{model}-").replace("-", "_") for name in shipped if name.startswith(f"{model}-")]:
        raise InputError(f"no weights of {model} for the property {wanted!r}; there are {', '.join(known)}")
    raise InputError(f"no model {name!r}: `asegen models` lists what is shipped; --model also takes a file")


def _check_property(model: str, wanted: str | None) -> None:
    """Whether weights that are named in full predict what is asked for beside them, if anything is."""
    from asegen.errors import InputError
    from asegen.models.header import read_header
    from asegen.trained.weights import find_weights

    header = read_header(find_weights(model))
    columns = header.get("recipe", {}).get("data", {}).get("targets", [])
    if wanted is None or wanted in columns or header["name"].endswith(f"-{wanted.replace('_', '-')}"):
        return
    raise InputError(f"property = {wanted}: {model} predicts {', '.join(columns) or 'no property'}", "property")
