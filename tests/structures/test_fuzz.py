"""Damaged files of every format, read in this process: no crash, no hang, nothing accepted that contradicts itself.

`python tests/structures/test_fuzz.py 20000` tries as many as are asked for.
"""

from __future__ import annotations

import csv
import gzip
import io
import random
import re
import signal
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import ase.io
import pytest
from ase import Atoms
from ase.build import bulk
from ase.db import connect
from ase.spacegroup import crystal
from pymatgen.core import Structure
from pymatgen.io.cif import CifParser, CifWriter
from pymatgen.io.vasp import Poscar

from asegen.errors import InputError
from asegen.structures.errors import StructureError
from asegen.structures.reading import read_entries, read_entry
from asegen.structures.validity import check_atoms

SECONDS = 20
FORMATS = ("a.cif", "a.extxyz", "POSCAR", "a.csv", "a.db", "a.cif.gz", "a.extxyz.gz", "a.csv.gz")
CRYSTALS: list[Atoms] = [
    bulk("NaCl", "rocksalt", a=5.64),
    bulk("ZnS", "wurtzite", a=3.8),
    crystal(
        ["Sr", "Ti", "O"],
        [(0, 0, 0), (0.5, 0.5, 0.5), (0.5, 0.5, 0)],
        spacegroup=221,
        cellpar=[3.9, 3.9, 3.9, 90, 90, 90],
    ),
    crystal(["Ti", "O"], [(0, 0, 0), (0.305, 0.305, 0)], spacegroup=136, cellpar=[4.59, 4.59, 2.96, 90, 90, 90]),
    crystal(["Al", "O"], [(0, 0, 0.352), (0.306, 0, 0.25)], spacegroup=167, cellpar=[4.76, 4.76, 12.99, 90, 90, 120]),
    crystal(
        ["Zr", "O", "O"],
        [(0.275, 0.040, 0.208), (0.070, 0.332, 0.345), (0.449, 0.758, 0.479)],
        spacegroup=14,
        cellpar=[5.15, 5.21, 5.32, 90, 99.2, 90],
    ),
]  # fmt: skip


def structure_of(atoms: Atoms) -> Structure:
    return Structure(atoms.cell.array, list(atoms.symbols), atoms.get_scaled_positions())


def cif_of(atoms: Atoms, writer: int) -> str:
    if writer == 0:
        text = io.BytesIO()
        ase.io.write(text, Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=True), format="cif")
        return text.getvalue().decode()
    return str(CifWriter(structure_of(atoms), symprec=0.01 if writer == 2 else None))


def originals(folder: Path) -> dict[str, list[bytes]]:
    """Whole files of every format."""
    cifs = [cif_of(atoms, writer) for atoms in CRYSTALS for writer in range(3)]
    plain = [
        Atoms(a.numbers, a.positions, cell=a.cell, pbc=True, info={"material_id": f"m{k}"})
        for k, a in enumerate(CRYSTALS)
    ]
    frames, table = io.StringIO(), io.StringIO()
    ase.io.write(frames, plain, format="extxyz")
    rows = csv.writer(table)
    rows.writerows([("material_id", "cif", "gap"), *((f"m{k}", text, k / 2) for k, text in enumerate(cifs[::2]))])
    poscars = []
    for k, atoms in enumerate(plain):
        text = io.StringIO()
        ase.io.write(text, atoms, format="vasp", direct=k % 2 == 0)
        poscars.append(text.getvalue().encode())
    with connect(folder / "whole.db", append=False) as database:
        for atoms in plain:
            database.write(atoms, material_id=atoms.info["material_id"])
    whole = {"a.cif": [text.encode() for text in cifs], "a.extxyz": [frames.getvalue().encode()], "POSCAR": poscars,
             "a.csv": [table.getvalue().encode()], "a.db": [(folder / "whole.db").read_bytes()]}  # fmt: skip
    return whole | {f"{name}.gz": [gzip.compress(c) for c in whole[name]] for name in ("a.cif", "a.extxyz", "a.csv")}


def mutate(content: bytes, numbers: random.Random) -> bytes:
    """One to three faults: bytes, digits, lines or words changed, lost, doubled or exchanged; an end cut off."""
    for _ in range(numbers.choice((1, 1, 2, 3))):
        content = numbers.choice(FAULTS)(content, numbers)
    return content


def _flip(content: bytes, numbers: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(numbers.choice((1, 1, 4))):
        if changed:
            changed[numbers.randrange(len(changed))] = numbers.randrange(256)
    return bytes(changed)


def _digit(content: bytes, numbers: random.Random) -> bytes:
    places = [match.start() for match in re.finditer(rb"\d", content)]
    if not places:
        return content
    place = numbers.choice(places)
    return content[:place] + numbers.choice(b"0123456789.-eEdD (").to_bytes() + content[place + 1 :]


def _cut(content: bytes, numbers: random.Random) -> bytes:
    return content[: numbers.randrange(len(content) + 1)]


def _lose(content: bytes, numbers: random.Random) -> bytes:
    first = numbers.randrange(len(content) + 1)
    return content[:first] + content[first + numbers.choice((1, 2, 5, 40)) :]


def _lines(content: bytes, numbers: random.Random) -> bytes:
    lines = content.split(b"\n")
    i, j = numbers.randrange(len(lines)), numbers.randrange(len(lines))
    what = numbers.randrange(3)
    if what == 0:
        del lines[i]
    elif what == 1:
        lines.insert(i, lines[j])
    else:
        lines[i], lines[j] = lines[j], lines[i]
    return b"\n".join(lines)


def _word(content: bytes, numbers: random.Random) -> bytes:
    words = list(re.finditer(rb"\S+", content))
    if not words:
        return content
    word = numbers.choice(words)
    new = numbers.choice((b"nan", b"1e999", b"-1", b"0", b"?", b".", b"Fe", b"Xx", b"1/0", b"data_", b"loop_",
                          b";", b"'", b'"', b"\xff\xfe", b"\0", b"99999999999", b"x,y,z", b"\r", b"_a 3"))  # fmt: skip
    return content[: word.start()] + new + content[word.end() :]


FAULTS: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    _flip,
    _digit,
    _digit,
    _cut,
    _lose,
    _lines,
    _lines,
    _word,
)


@contextmanager
def limit(seconds: int) -> Iterator[None]:
    def stop(*_: object) -> None:
        raise TimeoutError(f"more than {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def amounts(atoms: Atoms | Structure) -> dict[str, int]:
    symbols = list(atoms.symbols) if isinstance(atoms, Atoms) else [site.specie.symbol for site in atoms]
    return dict(Counter("H" if symbol == "D" else symbol for symbol in symbols))


def by_others(name: str, content: str) -> list[dict[str, int] | None]:
    """What ASE and pymatgen read, of the first structure; None where one doesn't."""
    found: list[dict[str, int] | None] = []
    for read in READERS[name]:
        try:
            with limit(SECONDS), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found.append(amounts(read(content)))
        except Exception:
            found.append(None)
    return found


READERS: dict[str, tuple[Callable[[str], Atoms | Structure], ...]] = {
    "cif": (
        lambda text: next(iter(ase.io.iread(io.StringIO(text), format="cif"))),
        lambda text: CifParser.from_str(text).parse_structures(primitive=False)[0],
    ),
    "vasp": (
        lambda text: ase.io.read(io.StringIO(text), format="vasp"),
        lambda text: Poscar.from_str(text).structure,
    ),
    "extxyz": (lambda text: ase.io.read(io.StringIO(text), format="extxyz"),) * 2,
}


def said(text: str) -> dict[str, Fraction] | None:
    """The shares of a formula sum, by a pattern of this test's own."""
    found = re.search(r"^_chemical_formula_sum\s+['\"]?((?:[A-Z][a-z]?\d*\s*)+)['\"]?\s*$", text, re.MULTILINE)
    counts: Counter[str] = Counter()
    for symbol, count in re.findall(r"([A-Z][a-z]?)(\d*)", found.group(1)) if found else []:
        counts[symbol] += int(count or 1)
    total = sum(counts.values())
    return {symbol: Fraction(n, total) for symbol, n in counts.items()} if total else None


def fault(path: Path) -> str | None:
    """What is wrong with how a file is read, if anything is."""
    with limit(SECONDS):
        accepted = []
        try:
            for entry in read_entries(path):
                try:
                    _, atoms, _ = read_entry(entry)
                    accepted.append((entry.format, entry.content, atoms))
                    check_atoms(atoms)
                except StructureError as error:
                    if "\n" in str(error) or "Error" in str(error):
                        return f"not one plain line: {error!r}"
        except InputError as error:
            if "\n" in str(error):
                return f"not one line: {error!r}"
    for kind, content, atoms in accepted:
        if isinstance(content, str) and (wrong := _contradicts(kind, content, atoms)):
            return wrong
    return None


def _contradicts(kind: str, content: str, atoms: Atoms) -> str | None:
    own = amounts(atoms)
    shares = said(content) if kind == "cif" else None
    if shares is not None and {s: Fraction(n, len(atoms)) for s, n in own.items()} != shares:
        return f"accepted {own} of a file that says {shares}"
    first, second = by_others(kind, content)
    if first is not None and first == second and own != first and shares is None:
        return f"accepted {own}, where others agree on {first}"
    return None


def try_many(n: int, seed: int, folder: Path) -> tuple[list[str], Counter[str]]:
    """Faults found in n damaged files, and how many of each format were tried."""
    whole, found, tried = originals(folder), [], Counter[str]()
    for k in range(n):
        numbers = random.Random(f"{seed}-{k}")
        name = FORMATS[k % len(FORMATS)]
        (folder / name).write_bytes(mutate(numbers.choice(whole[name]), numbers))
        tried[name] += 1
        try:
            wrong = fault(folder / name)
        except TimeoutError as error:
            wrong = f"hangs: {error}"
        except Exception as error:
            wrong = f"crashes: {error!r}"
        if wrong:
            found.append(f"{k} {name}: {wrong}")
            (folder / f"fault-{k}-{name}").write_bytes((folder / name).read_bytes())
    return found, tried


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_damaged_files_are_refused_or_read_as_they_say(tmp_path: Path, seed: int) -> None:
    found, _ = try_many(1000, seed, tmp_path)
    assert not found, "\n".join(found)


def test_every_original_is_read(tmp_path: Path) -> None:
    for name, contents in originals(tmp_path).items():
        for content in contents:
            (tmp_path / name).write_bytes(content)
            assert fault(tmp_path / name) is None
            assert all(isinstance(read_entry(entry)[1], Atoms) for entry in read_entries(tmp_path / name))


if __name__ == "__main__":
    began = time.monotonic()
    place = Path(tempfile.mkdtemp())
    faults, counts = try_many(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0, place)
    print("\n".join(faults))
    spent = time.monotonic() - began
    print(f"{sum(counts.values())} files, {spent:.0f} s, {len(faults)} faults ({place}): {dict(counts)}")
