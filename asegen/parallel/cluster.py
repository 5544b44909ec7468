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
_MOST = 100_000  # workers
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
    kind = _class(table["class"], config)
    with _started(kind, table, config) as started, _client(started) as client:
        try:
            if "adapt" in table:
                started.adapt(**table["adapt"])
            elif "workers" in table:
                started.scale(table["workers"])
        except Exception as error:
            raise _refused(config, table, error) from None
        yield _workforce(client, _workers_to_come(table))


def _started(kind: Any, table: dict[str, Any], config: Path) -> Any:
    try:
        return kind(**table.get("options", {}))
    except Exception as error:  # Dask's classes, and those of others, fail in their own ways
        raise _refused(config, table, error) from None


def _refused(config: Path, table: dict[str, Any], error: Exception) -> InputError:
    reason = " ".join(str(error).split())[:200] or type(error).__name__
    return InputError(f"{config}: {table['class']} refuses its options: {reason}")


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
    _check_values(table, config)
    return table


def _check_values(table: dict[str, Any], config: Path) -> None:
    """Whether numbers of workers are such, and sections tables.

    Raises:
        InputError: one isn't; names it.
    """
    for name in ("options", "adapt"):
        if not isinstance(table.get(name, {}), dict):
            raise InputError(f"{config}: {name} has to be a table, [{name}]")
    adapt = table.get("adapt", {})
    counts = {"workers": table.get("workers", 1)}
    counts |= {f"adapt.{name}": adapt.get(name, 1) for name in ("minimum", "maximum")}
    for name, value in counts.items():
        least = 0 if name == "adapt.minimum" else 1
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= _MOST:
            raise InputError(f"{config}: {name} = {str(value)[:40]}: a whole number from {least} to {_MOST} is needed")


def _class(name: str, config: Path) -> Any:
    """A class of Dask clusters by its name.

    Raises:
        InputError: something else; it isn't called.
        AsegenError: Dask, or the package of the class, isn't installed.
    """
    module, _, attribute = name.rpartition(".")
    if not all(part.isidentifier() for part in name.split(".")) or not module:
        raise InputError(f'{config}: {name[:60]!r} is no class, such as "dask_jobqueue.SLURMCluster"')
    try:
        from distributed.deploy import Cluster

        found = getattr(import_module(module), attribute, None)
    except ImportError as error:
        raise AsegenError(f"{name} is not installed: {error}") from None
    if not (isinstance(found, type) and issubclass(found, Cluster)):
        raise InputError(f"{config}: {name} is no class of Dask clusters")
    return found


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
