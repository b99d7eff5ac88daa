"""The kernel of sagas: stages as chords over cohorts, compensation, sweep. It knows events, and no service.

What needs Django's models lies in modules of its own: `sagas.saga.Saga`, `sagas.decorators.action` and
`network_action`, and `sagas.start` with `start` and `abort`.
"""

from sagas.definition import Pivot, Step, Together
from sagas.values import Answer, Call, GivenUp, Refusals

__all__ = ["Answer", "Call", "GivenUp", "Pivot", "Refusals", "Step", "Together"]
