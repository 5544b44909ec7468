"""Work in several processes, on one machine or many, that survives crashes and time limits."""
