"""Words and units for the figures' names, which are for programs."""

from __future__ import annotations

_LABELS = {
    "hhi_production": "HHI of production",
    "hhi_reserves": "HHI of reserves",
    "js_elements": "JS divergence of elements",
    "js_groups": "JS divergence of space groups",
    "msun": "M.S.U.N.",
    "nearest_generated": "to the nearest generated, Å",
    "nearest_reference": "to the nearest reference, Å",
    "nearest_train": "to the nearest of train, Å",
    "p1": "share in P1",
    "stability/e_hull": "above the hull, eV/atom",
    "stability/rmsd": "RMSD to relaxed, Å",
    "crmse": "cRMSE",
    "density/emd": "EMD, g/cm³",
    "distance": "FD",
    "distance_high": "FD, high end of 95 %",
    "distance_low": "FD, low end of 95 %",
    "elements/emd": "EMD",
    "energy/emd": "EMD, eV/atom",
    "fad/distance": "FAD",
    "fad/distance_high": "FAD, high end of 95 %",
    "fad/distance_low": "FAD, low end of 95 %",
    "match_rate_best": "match rate, best of all for an id",
    "match_rate_valid_compositions": "match rate, valid compositions alone",
    "metre": "METRe",
    "reference_halves": "reference's two halves",
    "rmse": "RMSE",
    "rmse_best": "RMSE, best of all for an id",
    "stable_within_100_mev": "stable within 0.1 eV/atom",
    "sun": "S.U.N.",
    "sun_within_100_mev": "S.U.N., stable within 0.1 eV/atom",
    "sha256": "sha256 of its weights",
}


def label(name: str, metric: str = "") -> str:
    """A name of a figure, a count or a dependency in words, with its unit.

    Args:
        name: such as "distance_low".
        metric: whose it is.
    """
    found = _LABELS.get(f"{metric}/{name}") or _LABELS.get(name)
    return found or name.replace("gate_", "gate: ").replace("_", " ")
