"""A shop that has been selling for two years: its orders with all that they left behind, loaded with COPY."""

from bench.growth.load import Loaded, load

__all__ = ["Loaded", "load"]
