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
        mixes_elements: whether structures of one formula are also alike where they differ by which of their similar
            elements sits where, see `asegen.metrics.matching.same_crystal`.
    """

    name: str
    ltol: float
    stol: float
    angle_tol: float
    source: str
    mixes_elements: bool = False

    def __str__(self) -> str:
        mixed = ", similar elements mixed" if self.mixes_elements else ""
        matcher = f"StructureMatcher(ltol={self.ltol}, stol={self.stol}, angle_tol={self.angle_tol:g})"
        return f"{self.name}: {matcher}{mixed}"

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
        Protocol("mattergen", 0.2, 0.3, 5.0, "Zeni et al., Nature 639, 624 (2025), mattergen 1.0.3", True),
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
