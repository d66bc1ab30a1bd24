"""StyleSync's engine: style-preserving visual dubbing of one shot."""

__version__ = "0.1.0"
