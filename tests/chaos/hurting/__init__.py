"""Handlers and steps that hurt their worker, for the tests of what stops them."""
