"""Job scripts for the user's own machine, from a template of the user's."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from asegen.errors import InputError

JOB = "job.sh"
"""The script's name, in every folder in which a calculation runs."""
PLACEHOLDERS = {
    "id": "of the candidate, such as c000077",
    "formula": "reduced, such as NaCl",
    "atoms": "number of atoms in the cell",
    "step": "relax, static, or disp-001 and so on",
    "prepare": "command that has to run before the calculation; empty where there is none",
    "input": "input file of Quantum ESPRESSO",
    "output": "the file that its output has to go to",
}
"""What a template may ask for, in double braces: `{{id}}`."""

_PLACEHOLDER = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_OF_ESPRESSO = {"input", "output"}


@dataclass(frozen=True)
class JobTemplate:
    """A script with placeholders; see `PLACEHOLDERS`. One with `{{input}}` or `{{output}}` is for Quantum ESPRESSO.

    Attributes:
        text: of the script.
    """

    text: str

    @classmethod
    def read(cls, path: Path) -> Self:
        """A template from a file.

        Raises:
            InputError: it can't be read, or has a placeholder that isn't known.
        """
        try:
            text = path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"job_script = {path}: it can't be read ({error})", "job_script") from None
        if unknown := [name for name in _PLACEHOLDER.findall(text) if name not in PLACEHOLDERS]:
            known = ", ".join(PLACEHOLDERS)
            raise InputError(
                f"job_script = {path}: there is no placeholder {unknown[0]!r}; there are {known}", "job_script"
            )
        return cls(text)

    @property
    def is_for_espresso(self) -> bool:
        """Whether it is for Quantum ESPRESSO, else for VASP."""
        return not _OF_ESPRESSO.isdisjoint(_PLACEHOLDER.findall(self.text))

    def filled(self, values: Mapping[str, str]) -> str:
        """The script.

        Args:
            values: by placeholder; those without one are left empty.
        """
        return _PLACEHOLDER.sub(lambda found: values.get(found.group(1), ""), self.text)


@dataclass(frozen=True)
class Jobs:
    """Writes the job scripts of one candidate.

    Attributes:
        template: none are written without it.
        id: of the candidate.
        formula: of it.
    """

    template: JobTemplate | None = None
    id: str = ""
    formula: str = ""

    def write(self, folder: Path, atoms: int, step: str, prepare: str = "", **more: str) -> None:
        """Writes `JOB` into a folder in which a calculation runs.

        Args:
            folder: it is there.
            atoms: in the cell.
            step: which calculation.
            prepare: command that has to run first.
            more: other placeholders.
        """
        if self.template is None:
            return
        values = {"id": self.id, "formula": self.formula, "atoms": str(atoms), "step": step, "prepare": prepare}
        place = folder / JOB
        place.write_text(self.template.filled(values | more))
        place.chmod(0o755)
