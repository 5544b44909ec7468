"""Processes that turn noise into crystals; a model is a callable here, and no chemistry is known."""
