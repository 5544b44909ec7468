"""From thousands of candidates to the few that deserve DFT: stages, and a ledger that survives being killed."""
