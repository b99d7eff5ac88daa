"""Benchmarks of single parts compared to alternatives: appending events, relaying messages."""
