"""Generation of crystals: what is asked for, the sources that propose, the ranking that chooses."""
