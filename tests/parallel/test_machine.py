"""Who lives on this machine, and which folders lie on others."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from asegen.parallel import machine
from asegen.parallel.machine import is_dead, on_network

MOUNTS = """\
/dev/sda / ext4 rw 0 0
server:/home /home nfs4 rw 0 0
tmpfs /home/me/fast tmpfs rw 0 0
sshfs#x /mnt/with\\040space fuse.sshfs rw 0 0
"""


def test_owners_of_this_machine_are_looked_up() -> None:
    host = socket.gethostname()
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    assert is_dead(f"{host}/{gone.pid}/x")
    assert not is_dead(f"{host}/{os.getpid()}/x")
    assert not is_dead(f"elsewhere/{gone.pid}/x")


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="known on Linux only")
def test_a_zombie_is_dead() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE)
    ended.stdout.read()  # until it has ended; nobody has asked how
    while not is_dead(f"{socket.gethostname()}/{ended.pid}/x"):
        pass
    ended.wait()


@pytest.mark.parametrize(
    ("folder", "far"),
    [
        ("/data/run", False),
        ("/home/me/run", True),
        ("/home/me/fast/run", False),
        ("/homework", False),
        ("/mnt/with space/run", True),
    ],
)
def test_the_deepest_mount_decides(monkeypatch: pytest.MonkeyPatch, folder: str, far: bool) -> None:
    monkeypatch.setattr(machine, "_mounts", lambda: MOUNTS)
    assert on_network(Path(folder)) == far
    monkeypatch.setattr(machine, "_mounts", lambda: "")
    assert not on_network(Path(folder))
