"""Shared parts of HTTP APIs: typed bodies, entity tags, permissions and problem responses."""
