"""Shared parts of staff tools: read-only admin pages, confirmation pages, the audit log and command-line helpers."""
