"""Parts of `verdict_tables.py`: its crystals, and a file for each kind of table."""
