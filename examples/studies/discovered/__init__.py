"""Parts of `discovery_variants.py`: the variants, what becomes of their crystals, and what is shown of that."""
