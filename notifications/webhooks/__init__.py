"""Webhooks: which events go where, signed, to addresses that are nobody's inside."""
