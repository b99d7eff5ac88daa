"""The signal `domain_event`: sent in the recording process, inside the transaction, for newly recorded events."""

from django.dispatch import Signal

domain_event = Signal()
"""Sent once for each event class of a batch: `sender` is the class, `recorded` a sequence of
`events.log.append.Recorded`.

Receivers run in the transaction of the state change, so a receiver that raises rolls it back.
"""
