"""Sources of crystals, one file each."""
