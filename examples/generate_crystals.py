"""Draws four crystals of SrTiO3 and shows what ASE knows of them."""

from asegen.calculators import Generator

for atoms in Generator().generate("SrTiO3", n=4, seed=1):
    a, b, c, *_ = atoms.cell.cellpar()
    print(atoms.info["sample_index"], atoms.get_chemical_formula(), f"{a:.2f} {b:.2f} {c:.2f} Å", atoms.info["valid"])
