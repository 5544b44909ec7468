"""EMPNN: message passing that acts on the lattice and on the positions."""
