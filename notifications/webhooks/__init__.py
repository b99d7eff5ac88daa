"""Webhooks: subscriptions, address checks, signatures, sending and retention."""
