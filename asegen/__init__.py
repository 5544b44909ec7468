"""asegen: new crystals for ASE. This module stays light: importing it loads neither torch nor ASE."""

__version__ = "0.1.0"
