"""ECN: edges shared by the orbits of a Bravais class."""
