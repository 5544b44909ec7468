"""Parts of `symmetry_tables.py`: how crystals of given groups are drawn, and a file for each kind of table."""
