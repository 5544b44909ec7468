"""By what tolerances crystals are alike: the habits of the field under names."""

from __future__ import annotations

from typing import NamedTuple

from asegen.errors import InputError


class Protocol(NamedTuple):
    """Tolerances of pymatgen's StructureMatcher for uniqueness and novelty, and where they come from.

    Attributes:
        name: of the protocol.
        ltol: a share of lengths.
        stol: a share of (V/n)^(1/3).
        angle_tol: degrees.
        source: who does so.
    """

    name: str
    ltol: float
    stol: float
    angle_tol: float
    source: str

    def __str__(self) -> str:
        return f"{self.name}: StructureMatcher(ltol={self.ltol}, stol={self.stol}, angle_tol={self.angle_tol:g})"

    @property
    def tolerances(self) -> tuple[float, float, float]:
        """ltol, stol, angle_tol, in the order of StructureMatcher's arguments."""
        return self.ltol, self.stol, self.angle_tol


CLASSIC = Protocol("classic", 0.2, 0.3, 5.0, "pymatgen's own tolerances")
PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        CLASSIC,
        Protocol("lemat", 0.1, 0.3, 5.0, "LeMat-GenBench"),
        Protocol("mattergen", 0.2, 0.3, 5.0, "Zeni et al., Nature 639, 624 (2025)"),
    )
}


def find_protocol(name: str) -> Protocol:
    """A protocol by name.

    Raises:
        InputError: there is none of that name.
    """
    if name not in PROTOCOLS:
        raise InputError(f"protocol = {name!r}: there are {', '.join(PROTOCOLS)}", "protocol")
    return PROTOCOLS[name]
