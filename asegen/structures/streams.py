"""Text files, compressed or not, as streams within limits on what they may unpack to and on the length of a line."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib
from collections.abc import Callable, Iterator
from io import BufferedReader, TextIOWrapper
from pathlib import Path

from asegen.errors import InputError
from asegen.structures.fields import MAX_TEXT

MAX_RATIO = 200
"""Bytes that a byte of a compressed file may unpack to, on average. Tables of crystals reach about 20; bombs, 1000."""
ALWAYS_UNPACKED = 100_000_000
"""Bytes that any compressed file may unpack to."""
MAX_BLANK_LINES = 2_000_000
"""In a row. Spreadsheets leave up to a million."""

_Compressed = gzip.GzipFile | bz2.BZ2File | lzma.LZMAFile
_OPENERS: dict[bytes, Callable[[Path], _Compressed]] = {
    b"\x1f\x8b": gzip.GzipFile, b"BZ": bz2.BZ2File, b"\xfd7": lzma.LZMAFile,
}  # fmt: skip
_AT_ONCE = 1 << 16
_DAMAGE = (OSError, zlib.error, lzma.LZMAError)


def open_text(path: Path, max_unpacked: int | None = None) -> TextIOWrapper:
    """Opens a text file, by gzip, bzip2 or xz where its first bytes say so.

    A compressed file is unpacked once before, so that a damaged one is found before anything of it is used. One that is
    only cut off is opened: what reads it meets EOFError where it ends.

    Args:
        path: the file.
        max_unpacked: bytes that it may unpack to; by default `MAX_RATIO` times its size, or `ALWAYS_UNPACKED`.

    Raises:
        InputError: it can't be read, is damaged, unpacks to more, is empty, or isn't text in UTF-8.
    """
    try:
        check_compressed(path, max_unpacked)
        binary = _open(path)
        start = binary.read(4096)
        binary.seek(0)
    except (*_DAMAGE, EOFError) as error:
        raise InputError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from None
    if not start.strip():
        raise InputError(f"{path} is empty")
    if b"\0" in start or start[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise InputError(f"{path} is not text in UTF-8")
    return TextIOWrapper(binary, encoding="utf-8-sig", errors="replace", newline="")


def check_compressed(path: Path, max_unpacked: int | None = None) -> None:
    """Unpacks a compressed file to nowhere; does nothing for others.

    Args:
        path: the file.
        max_unpacked: as in `open_text`.

    Raises:
        InputError: it is damaged, which the message says with how much could be unpacked, or unpacks to too much.
        OSError: it can't be read.
    """
    with _open(path) as stream:
        if not isinstance(stream, _Compressed):
            return
        limit = max_unpacked or max(ALWAYS_UNPACKED, MAX_RATIO * path.stat().st_size)
        unpacked = 0
        try:
            while chunk := stream.read(_AT_ONCE):
                unpacked += len(chunk)
                if unpacked > limit:
                    raise InputError(f"{path} unpacks to more than {limit:,} bytes (a parameter max_unpacked sets it)")
        except EOFError:
            return
        except _DAMAGE:
            raise InputError(f"{path} is damaged: {unpacked:,} bytes unpack, then data or checksum are wrong") from None


def _open(path: Path) -> _Compressed | BufferedReader:
    with open(path, "rb") as raw:
        opener = _OPENERS.get(raw.read(2))
    return opener(path) if opener else open(path, "rb")


def bounded_lines(file: TextIOWrapper, path: Path) -> Iterator[str]:
    """The lines of a file with their ends.

    Args:
        file: opened by `open_text`.
        path: its place, for messages.

    Raises:
        InputError: a line exceeds `MAX_TEXT` characters, or more than `MAX_BLANK_LINES` are blank.
        EOFError: a compressed file is cut off.
    """
    blank = 0
    while line := file.readline(MAX_TEXT + 1):
        if len(line) > MAX_TEXT:
            raise InputError(f"{path} has a line of more than {MAX_TEXT:,} characters")
        blank = 0 if blank == 0 and line[0] not in "\r\n \t" else blank + 1 if not line.strip() else 0
        if blank > MAX_BLANK_LINES:
            raise InputError(f"{path} has more than {MAX_BLANK_LINES:,} blank lines in a row")
        yield line
