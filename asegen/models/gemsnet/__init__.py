"""GemsNet: the networks of GemsDiff."""
