"""Energies of the elements that turn CHGNet's total energies into formation energies."""

ELEMENT_ENERGIES = {
    "H": -3.387, "Li": -1.897, "Be": -3.747, "B": -6.684, "C": -9.214, "N": -8.310, "O": -4.932, "F": -1.904,
    "Na": -1.327, "Mg": -1.581, "Al": -3.737, "Si": -5.417, "P": -5.411, "S": -4.116, "Cl": -1.839, "Ar": -0.069,
    "K": -1.119, "Ca": -2.000, "Sc": -6.326, "Ti": -7.885, "V": -9.055, "Cr": -9.610, "Mn": -9.131, "Fe": -8.437,
    "Co": -7.100, "Ni": -5.775, "Cu": -4.099, "Zn": -1.248, "Ga": -3.022, "Ge": -4.607, "As": -4.647, "Se": -3.477,
    "Br": -1.624, "Kr": -0.047, "Rb": -0.987, "Sr": -1.678, "Y": -6.464, "Zr": -8.534, "Nb": -10.075, "Mo": -10.839,
    "Tc": -10.331, "Ru": -9.265, "Rh": -7.356, "Pd": -5.177, "Ag": -2.827, "Cd": -0.917, "In": -2.744, "Sn": -3.992,
    "Sb": -4.106, "Te": -3.122, "I": -1.519, "Xe": -0.046, "Cs": -0.924, "Ba": -1.930, "La": -4.938, "Ce": -5.915,
    "Pr": -4.780, "Nd": -4.773, "Pm": -4.767, "Sm": -4.722, "Eu": -10.294, "Gd": -14.093, "Tb": -4.636, "Dy": -4.612,
    "Ho": -4.586, "Er": -4.576, "Tm": -4.479, "Yb": -1.533, "Lu": -4.517, "Hf": -9.959, "Ta": -11.837, "W": -12.946,
    "Re": -12.407, "Os": -11.221, "Ir": -8.830, "Pt": -6.055, "Au": -3.274, "Hg": -0.288, "Tl": -2.369, "Pb": -3.701,
    "Bi": -3.866, "Ac": -4.147, "Th": -7.400, "Pa": -9.484, "U": -11.262, "Np": -12.869, "Pu": -14.062,
}  # fmt: skip
"""Symbol -> eV/atom, for CHGNet 0.3.0.

Fitted, since CHGNet's energies of the elements themselves would need the ground state of each, oxygen and nitrogen
molecules included: the table minimises the sum of |E(CHGNet)/n − Σ x_i μ_i − formation energy| over the 17,629 crystals
of `mp/train` with the Materials Project's formation energies (least absolute deviations, by reweighted least squares;
mean 0.020 eV/atom). On the 1,000 crystals of `mp/val` formation energies come out with a mean error of 0.021 eV/atom, a
median of 0.013 and a 99th percentile of 0.11; crystals with plutonium may be off by 0.7. CHGNet was trained on the
Materials Project, these crystals perhaps among them. Since energies and references have the same corrections (MP2020),
none is applied on top.
"""
