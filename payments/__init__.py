"""Payments: money held, captured and refunded."""
