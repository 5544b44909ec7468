"""What the documentation shows exists: commands are parsed, Python is compiled, and what it imports is there."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from asegen import __version__
from asegen.cli.main import COMMANDS, build_parser

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted(path for path in (ROOT / "docs").rglob("*.md") if "_build" not in path.parts)]
SECTIONS = ("Minimal", "Full", "Python", "What comes out", "What can go wrong")


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def commands(page: Path) -> Iterator[list[str]]:
    """The arguments of every `asegen` in code and in cells of tables; those with "…" are only mentioned."""
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    code = "\n".join([*re.findall(r"^```.*?^```", text, re.S | re.M), *re.findall(r"^    .*", text, re.M)])
    lines = re.findall(r"^ *(?:OMP_NUM_THREADS=1 )?asegen (.+)$", code, re.M)
    for line in (*lines, *re.findall(r"\| `asegen ([^`]+)`", text)):
        words = shlex.split(line, comments=True)
        if words[0] in COMMANDS and "…" not in line:
            yield words


def snippets(page: Path) -> list[str]:
    """Whole pieces of Python of a page: no shell, no single lines for a place in a file that is there."""
    fences = re.findall(
        r"^```(?:python|\{code-cell\} python)\n(.*?)^```$", page.read_text(encoding="utf-8"), re.S | re.M
    )
    return [re.sub(r"^:tags:.*\n", "", code) for code in fences if not code.startswith(("%%", " "))]


@pytest.mark.parametrize("page", [page for page in PAGES if page.parent.name != "extend"], ids=name)
def test_commands_are_parsed(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All but those that use what a page of docs/extend adds."""
    parser, *_ = build_parser()
    for words in commands(page):
        try:
            parser.parse_args(words)
        except SystemExit:
            pytest.fail(f"{name(page)}: asegen {shlex.join(words)}: {capsys.readouterr().err}")


@pytest.mark.parametrize("page", [page for page in PAGES if snippets(page)], ids=name)
def test_python_compiles_and_imports_what_is_there(page: Path) -> None:
    for code in snippets(page):
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "asegen":
                for alias in node.names:
                    assert hasattr(import_module(str(node.module)), alias.name), (node.module, alias.name)


def test_files_that_pages_name_are_there() -> None:
    """All but what a page of docs/extend adds, and what is built."""
    for page in PAGES:
        found = re.findall(r"(?<![\w/.])((?:asegen|tests|examples|docs)/[\w/.-]*\w)", page.read_text(encoding="utf-8"))
        for path in found if page.parent.name != "extend" else []:
            assert (ROOT / path).exists() or "_build" in path or "NAME" in path, (name(page), path)


def test_each_command_has_a_guide() -> None:
    for command in COMMANDS:
        text = (ROOT / "docs" / "guides" / f"{command}.md").read_text(encoding="utf-8")
        for section in SECTIONS:
            assert re.search(rf"^## {section}", text, re.MULTILINE), (command, section)


def test_readme_is_short_and_opens_with_two_commands() -> None:
    """Others read them there: the first fenced block."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 100
    assert text.split("```")[1].split() == ["make", "demo", "make", "test"]


def test_citation_names_this_version() -> None:
    assert f"version: {__version__}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
