"""Potentials by name, energies of elements, relaxation, and what is refused before a potential sees it."""
