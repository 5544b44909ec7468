"""The convex hull of known compounds: formation energies of what is stable, offline."""
