"""Files that are whole or not there: written beside their place and moved there at once; checksums; the cache."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from asegen.errors import InputError

try:
    import fcntl
except ImportError:  # a system without file locks of POSIX
    fcntl = None  # type: ignore[assignment]

_STREAMS = {1: "standard output", 2: "standard error"}


def place_behind(path: Path) -> Path:
    """Where a path leads once links are followed, so that a link stays one and its target is written.

    Args:
        path: a file or folder, or one to be.

    Raises:
        InputError: something else is there, such as a device or a pipe, which a file must not replace; or the file
            that this process prints into, as `/dev/stdout` is, which would lose what is printed.
    """
    place = Path(os.path.realpath(path))
    leads_nowhere = place.is_symlink()  # in a circle of links
    if leads_nowhere or (path.exists() and not (path.is_file() or path.is_dir())):
        raise InputError(f"can't write {path}: it is no regular file")
    if (stream := _stream_at(place)) is not None:
        raise InputError(f"can't write {path}: it is this command's {stream}; name a file of its own")
    return place


def _stream_at(path: Path) -> str | None:
    """The standard stream that a path leads to, by a link such as `/dev/stdout` or by the file's own name."""
    for number, name in _STREAMS.items():
        try:
            if os.path.samestat(os.stat(path), os.fstat(number)):
                return name
        except OSError:  # nothing is there, or the stream is closed
            continue
    return None


def check_writable(path: Path) -> None:
    """Refuses a place that can't be written, found out by writing beside it; nothing stays.

    Args:
        path: a file or folder to be; folders above it may be missing, because they will be made.

    Raises:
        InputError: it is there and no file or folder, or what should be its folder isn't one, or can't be written.
    """
    folder = place_behind(path).parent
    try:
        while not os.path.lexists(folder) and folder != folder.parent:
            folder = folder.parent
        if not folder.is_dir():
            raise InputError(f"can't write {path}: {folder} is no folder")
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise InputError(f"can't write {path}: {folder}: {error.strerror}") from None


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A place beside `path` to write a file or a folder to, which becomes `path` when the block ends without an error.

    A file that is at `path` is replaced at once, so that whatever kills the process leaves the old or the new one. An
    empty or missing folder is replaced likewise; one that holds something isn't. Missing folders above it are made.
    Where `path` is a link, its target is what is replaced or made.

    Args:
        path: the file or folder to be.

    Yields:
        The place to write to; nothing is there yet.

    Raises:
        InputError: something is there that is neither a file nor a folder.
        OSError: as from what the block does, or the place can't be written; it names `path`.
    """
    place = place_behind(path)
    beside = place.with_name(f".{place.name}.{os.getpid()}.partial")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        yield beside
        os.replace(beside, place)
    except sqlite3.OperationalError as error:  # of a full disk
        raise OSError(errno.EIO, f"can't be written ({error})", str(path)) from None
    except OSError as error:
        if error.filename is None or str(error.filename).startswith(str(beside)):
            raise OSError(error.errno, error.strerror or str(error), str(path)) from None
        raise
    finally:
        if beside.is_dir():
            shutil.rmtree(beside, ignore_errors=True)
        else:
            beside.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Writes a text file at once, UTF-8.

    Args:
        path: its place.
        text: what goes into it.

    Raises:
        OSError: the place can't be written.
    """
    with replacing(path) as beside:
        beside.write_text(text, encoding="utf-8")


def lock(file: BinaryIO, path: Path) -> None:
    """Keeps a second process out, such as a job that was queued again while the first still runs.

    Args:
        file: open; the lock ends when it is closed.
        path: of the file.

    Raises:
        InputError: another process holds it.
    """
    if fcntl is None:
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise InputError(f"{path} is being written by another process") from None
    except OSError:
        pass  # a file system without locks


def sha256(path: Path) -> str:
    """The SHA-256 checksum of a file, 64 hexadecimal digits.

    Raises:
        OSError: it can't be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def cache_folder(name: str) -> Path:
    """A folder of asegen in the user's cache, absolute; it need not be there.

    Args:
        name: what is kept in it.
    """
    base = os.environ.get("XDG_CACHE_HOME")
    return ((Path(base) if base else Path.home() / ".cache") / "asegen" / name).absolute()


def is_of_the_disk(error: Exception) -> bool:
    """Whether an error says that nothing can be written, which no structure is to blame for."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
