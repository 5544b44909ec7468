"""The tags of the block of a CIF that holds the structure; ASE splits the text into them."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ase.io.cif import CIFBlock, parse_block

from asegen.structures.errors import StructureError, first_line
from asegen.structures.fields import MAX_TEXT

Tags = Mapping[str, Any]
"""Value, or list of values of a loop, by lower-case tag; a dot in a tag, as DDLm and magCIF write it, is `_`."""

_NOTHING_SAID = (".", "?", "")


def structure_tags(text: str) -> Tags:
    """The tags of the first block with atom sites.

    Args:
        text: CIF.

    Raises:
        StructureError: it is no CIF, has no atom sites, or exceeds `MAX_TEXT`.
    """
    if len(text) > MAX_TEXT:
        raise StructureError(f"too large: {len(text)} characters of CIF")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)  # ASE warns when it drops a line, an atom's perhaps
            blocks = list(_blocks(text))
    except StructureError:
        raise
    except UserWarning as warning:
        raise StructureError(f"unreadable: not a CIF ({first_line(warning)})") from None
    except (ValueError, RuntimeError) as error:  # with a word of what is wrong
        raise StructureError(f"unreadable: not a CIF ({first_line(error)})") from None
    except Exception:  # ASE raises anything from AssertionError to IndexError on malformed text
        raise StructureError("unreadable: not a CIF, or one that ends in the middle of an item") from None
    for block in blocks:
        tags = {key.replace(".", "_"): value for key, value in block.items()}
        if "_atom_site_fract_x" in tags or "_atom_site_label" in tags:
            return tags
        if "_cell_length_a" in tags:  # a crystal that has lost its sites, and what follows is another
            break
    raise StructureError("unreadable: the CIF has no atom sites")


def _blocks(text: str) -> Iterator[CIFBlock]:
    """The blocks of a CIF by ASE's parser, without its clean-up of marked-up text, which drops line ends and signs."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").replace("\t", " ").split("\n")
    items = lines
    if "\n;" in text:
        marked = list(marked_lines(lines))
        items = [line for line, inside in marked if not inside]
        lines = [line for line, inside in marked if not inside or not line.lstrip().startswith(";")]
    _check_doubles(items)
    left = ["", *reversed([line for line in lines if line])]
    while left:
        line = left.pop().strip()
        if line and not line.startswith("#"):
            yield parse_block(left, line)


def _check_doubles(lines: Iterable[str]) -> None:
    """Raises where a block gives an item twice, of which ASE takes the last."""
    given: dict[str, str] = {}
    for line in lines:
        item = line.strip()
        if item[:1] == "_":
            if given.setdefault(item.split(None, 1)[0].lower(), item) != item:
                raise StructureError(f"contradiction: {item.split(None, 1)[0][:60]} is given twice")
        elif item[:5].lower() == "data_":
            given = {}


def marked_lines(lines: Iterable[str]) -> Iterator[tuple[str, bool]]:
    """Lines of a CIF, and whether each is inside of a text field, whose first and last line begin with a semicolon."""
    inside = False
    for line in lines:
        fence = line.startswith(";")
        yield line, inside and not fence
        inside = inside != fence


def column(tags: Tags, tag: str, length: int | None = None) -> list[Any] | None:
    """The values of a loop's column, or of a single item; None where there are none.

    Raises:
        StructureError: there aren't `length` of them.
    """
    value = tags.get(tag)
    if value is None:
        return None
    values = list(value) if isinstance(value, list) else [value]
    if length is not None and len(values) != length:
        raise StructureError(f"unreadable: {tag} has {len(values)} values for {length} sites")
    return values


def said(tags: Tags, names: Sequence[str]) -> str | None:
    """What the first of some tags says in one word or line; None where none says anything."""
    for name in names:
        text = " ".join(str(tags.get(name, "")).split())
        if text not in _NOTHING_SAID and not isinstance(tags[name], list):
            return text
    return None


def said_number(tags: Tags, name: str) -> float | None:
    """The number of a tag; None where there is none, or none above zero."""
    value = tags.get(name)
    return float(value) if isinstance(value, int | float) and value > 0 else None
