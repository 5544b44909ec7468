"""Training: recipes (validated configurations) and the loop."""
