"""The kernel of sagas: stages as chords over cohorts, compensation, sweep. It knows events, and no service.

`sagas.start` holds what needs the database: `start`, `abort`, `sweep`.
"""

from sagas.actions import Answer, Call, Refusals, action, network_action
from sagas.declare import Pivot, Saga, Step, Together

__all__ = ["Answer", "Call", "Pivot", "Refusals", "Saga", "Step", "Together", "action", "network_action"]
