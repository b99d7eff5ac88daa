"""Payments: money held, taken and given back."""
