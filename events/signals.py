"""`domain_event` tells the same process, inside the transaction, what has just been recorded."""

from django.dispatch import Signal

domain_event = Signal()
"""Sent once for each event class of a batch: `sender` is the class, `recorded` a sequence of `events.log.Recorded`.

A receiver that raises takes the state change back with it: all are one transaction.
"""
