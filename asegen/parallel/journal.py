"""Results that are kept one by one while a run goes on, so that whatever kills it loses what was being worked on alone.

A journal is a text file of JSON lines beside the output. The first says of which run it is, by its options and a
fingerprint of the rest; every other one holds a result under its key. A line that a kill cut off is dropped.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

from asegen.errors import InputError
from asegen.parallel.files import lock
from asegen.parallel.resuming import check_same_options


class Journal:
    """The journal of one run, to be used with `with`.

    Args:
        path: of the file; made where there is none, and kept afterwards unless `remove` is called.
        options: parameter -> JSON value, of those that decide the results.
        fingerprint: of what else decides them, such as what was read.
        resume: go on with what is there; without it, it begins anew.

    Attributes:
        results: key -> JSON value, of what is done.

    Raises:
        InputError: the file is another run's, is damaged or in use, or can't be written.
    """

    def __init__(self, path: Path, options: Mapping[str, Any], fingerprint: str, resume: bool) -> None:
        self.path, self.results = path, dict[str, Any]()
        head = {"options": json.loads(json.dumps(options)), "fingerprint": fingerprint}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file: BinaryIO = path.open("a+b", buffering=0)
        except OSError as error:
            raise InputError(f"can't write {path}: {error.strerror}") from None
        try:
            lock(self._file, path)
            whole = self._read(head) if resume else 0
            self._file.truncate(whole)
            if not whole:
                self._write(head)
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def add(self, key: str, result: Any) -> None:
        """Keeps a result, a JSON value; on disk when this returns.

        Raises:
            InputError: the disk is full, or the file can't be written; what was kept before is intact.
        """
        self._write({key: result})
        self.results[key] = result

    def remove(self) -> None:
        """Deletes the file, once all is where it belongs."""
        self.path.unlink(missing_ok=True)

    def _read(self, wanted: dict[str, Any]) -> int:
        """Takes over what was kept; the number of bytes of whole lines."""
        self._file.seek(0)
        text = self._file.readall()  # type: ignore[attr-defined]  # of an unbuffered file
        text = text[: text.rfind(b"\n") + 1]
        try:
            head, *rest = [dict(json.loads(line)) for line in text.splitlines()] or [wanted]
        except (ValueError, TypeError):
            raise InputError(f"{self.path} is damaged: start again with overwrite", "overwrite") from None
        self._check_head(head, wanted)
        for line in rest:
            self.results |= line
        return len(text)

    def _check_head(self, head: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
        if before := head.get("options"):
            check_same_options(self.path, before, wanted["options"], *wanted["options"])
        if head != wanted:
            wrong = f"{self.path} was begun with other structures or by another version: start with overwrite"
            raise InputError(wrong, "overwrite")

    def _write(self, line: dict[str, Any]) -> None:
        data = json.dumps(line).encode() + b"\n"
        try:
            before = os.fstat(self._file.fileno()).st_size
            if self._file.write(data) != len(data):
                self._file.truncate(before)
                raise OSError(28, "No space left on device")
            os.fsync(self._file.fileno())
        except OSError as error:
            message = f"can't write {self.path}: {error.strerror}; what was written before is intact, resume goes on"
            raise InputError(message, "resume") from None
