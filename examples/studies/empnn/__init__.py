"""Parts of `empnn_tables.py`: its cells, how networks and calculators are measured, and what is printed."""
