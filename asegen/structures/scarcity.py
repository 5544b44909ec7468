"""How scarce the elements of a compound are."""

from __future__ import annotations

import warnings


def hhi(formula: str) -> tuple[float | None, float | None]:
    """Herfindahl-Hirschman indices of the elements' production and reserves, by weight, as pymatgen's tables have them.

    Gaultois et al., Chem. Mater. 25, 2911 (2013): 10,000 where one country has them all.

    Args:
        formula: such as "NaCl".

    Returns:
        Of production and of reserves; None without data.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pymatgen warns of noble gases' electronegativities
        from pymatgen.analysis.hhi import HHIModel

        production, reserves = HHIModel().get_hhi(formula)
    return tuple(None if index is None else float(index) for index in (production, reserves))  # type: ignore[return-value]
