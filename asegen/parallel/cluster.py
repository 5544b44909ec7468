"""Workers on other machines: Dask, found by its scheduler's address or started as a file says."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from asegen.errors import AsegenError, InputError
from asegen.parallel.workforce import Workforce

SECONDS = 20.0
"""That a scheduler has to answer."""
_MANY = 64  # workers that an adaptive cluster without a maximum is given work for, so that it grows


@contextmanager
def scheduler(address: str) -> Iterator[Workforce]:
    """The workers of a Dask scheduler that runs; give each one thread.

    Args:
        address: such as tcp://host:8786.

    Raises:
        InputError: nothing answers there.
        AsegenError: Dask isn't installed.
    """
    with _client(address) as client:
        yield _workforce(client, 1)


@contextmanager
def cluster(config: Path) -> Iterator[Workforce]:
    """The workers of a Dask cluster that is started here, and ended afterwards.

    Args:
        config: TOML: `class`, such as "dask_jobqueue.SLURMCluster"; `[options]`, its arguments; `workers`, how many;
            or `[adapt]`, with `minimum` and `maximum`.

    Raises:
        InputError: the file can't be read or says nonsense.
        AsegenError: Dask, or the package of the class, isn't installed.
    """
    table = _read(config)
    kind = _class(str(table["class"]))
    try:
        started = kind(**table.get("options", {}))
    except (TypeError, ValueError, OSError, RuntimeError) as error:
        raise InputError(f"{config}: {table['class']} refuses its options: {error}") from None
    with started, _client(started) as client:
        if "adapt" in table:
            started.adapt(**table["adapt"])
        elif "workers" in table:
            started.scale(int(table["workers"]))
        yield _workforce(client, _workers_to_come(table))


def _workers_to_come(table: dict[str, Any]) -> int:
    if "adapt" in table:
        return int(table["adapt"].get("maximum", _MANY))
    return int(table.get("workers", 1))


def _read(config: Path) -> dict[str, Any]:
    try:
        table = tomllib.loads(config.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"cannot read {config}: {error}") from None
    if not isinstance(table.get("class"), str):
        raise InputError(f'{config} lacks `class`, such as "dask_jobqueue.SLURMCluster"')
    if unknown := set(table) - {"class", "options", "workers", "adapt"}:
        names = ", ".join(sorted(unknown))
        raise InputError(f"{config} has unknown entries: {names}; it may have class, options, workers, adapt")
    return table


def _class(name: str) -> Any:
    module, _, attribute = name.rpartition(".")
    try:
        return getattr(import_module(module), attribute)
    except (ImportError, ValueError) as error:
        raise AsegenError(f"{name} is not installed: {error}") from None
    except AttributeError:
        raise InputError(f"{module} has no {attribute}") from None


@contextmanager
def _client(address: Any) -> Iterator[Any]:
    try:
        from distributed import Client
    except ImportError:
        raise AsegenError("Dask is not installed: pip install asegen[cluster]") from None
    try:
        client = Client(address, timeout=SECONDS)
    except (OSError, ValueError, TimeoutError) as error:
        raise InputError(f"no Dask scheduler answers at {address}: {error}") from None
    with client:
        yield client


def _workforce(client: Any, least: int) -> Workforce:
    # Adaptive clusters grow with what waits: it is as if the workers that may come were there.
    return Workforce(client.get_executor(pure=False), lambda: max(least, sum(client.ncores().values())))
