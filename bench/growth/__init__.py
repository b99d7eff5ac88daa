"""Loads the data of two years of orders with COPY: orders, payments, events, sagas and e-mails."""

from bench.growth.load import Loaded, load

__all__ = ["Loaded", "load"]
