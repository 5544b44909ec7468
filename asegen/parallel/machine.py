"""This machine: its free cores, whether a process of it lives, and on what a folder lies."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from asegen.arguments import whole_number
from asegen.errors import InputError

MOST_JOBS = 1024
"""Worker processes of one run: more than any machine has use for."""
_NETWORK = ("nfs", "lustre", "gpfs", "beegfs", "cifs", "smb", "ceph", "fuse.sshfs", "glusterfs", "9p", "afs")


def free_cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def check_jobs(jobs: int) -> None:
    """Refuses a number of worker processes that can't be.

    Raises:
        InputError: fewer than one, or more than `MOST_JOBS`.
    """
    jobs = whole_number("jobs", jobs)
    if jobs < 1:
        raise InputError(f"jobs = {jobs}: at least one process is needed", "jobs")
    if jobs > MOST_JOBS:
        raise InputError(f"jobs = {jobs}: {MOST_JOBS} at most", "jobs")


def is_dead(owner: str) -> bool:
    """Whether a process of this machine has ended; of others' that can't be known."""
    host, pid, _ = owner.rsplit("/", 2)
    if host != socket.gethostname():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except OSError:  # somebody else's: alive
        return False
    return _is_zombie(int(pid))


def _is_zombie(pid: int) -> bool:
    """Whether a process has ended and its parent hasn't asked how; known on Linux only."""
    try:
        return (
            Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[0] == "Z"
        )
    except (OSError, IndexError):
        return False


def on_network(folder: Path) -> bool:
    """Whether a folder lies on a file system of a network, as far as Linux tells."""
    best, kind = "", ""
    place = str(folder.resolve())
    for line in _mounts().splitlines():
        _, point, system, *_ = line.split(" ")
        point = point.replace("\\040", " ")
        if (place == point or place.startswith(point.rstrip("/") + "/")) and len(point) >= len(best):
            best, kind = point, system
    return kind.startswith(_NETWORK)


def _mounts() -> str:
    """Linux's table: device, place, kind of file system and more in each line."""
    try:
        return Path("/proc/mounts").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
