"""Space groups: their operations and Wyckoff positions, crystals in terms of them, and Wyckoff assignments."""
