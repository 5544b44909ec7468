"""From thousands of candidates to the few that deserve DFT."""
