"""Erases a person from saga runs: the reasons that people gave, and errors, which can quote anything."""

from __future__ import annotations

from collections.abc import Mapping

from desk.personal_data import FORGOTTEN, Person, PersonalData, Trace
from sagas.models import SagaRun, SagaStep
from sagas.plan import RunState

UNFINISHED = (RunState.RUNNING, RunState.COMPENSATING, RunState.STUCK)


class Runs(PersonalData):
    def trace(self, person: Person) -> Trace:
        rows = SagaRun.objects.filter(subject__in=person.subjects).values_list("id", "saga", "state")
        unfinished = sorted({f"{saga} is {state}" for _, saga, state in rows if state in UNFINISHED})
        return Trace(
            targets=frozenset(str(id_) for id_, _, _ in rows),
            open=(f"A saga has not ended ({', '.join(unfinished)}): wait for it, or repair it.",) if unfinished else (),
        )

    def erase(self, person: Person) -> Mapping[str, int]:
        runs = SagaRun.objects.filter(subject__in=person.subjects)
        steps = SagaStep.objects.filter(run__in=runs).exclude(error__in=("", FORGOTTEN))
        # The person who turns a run back may have given their own words as its code.
        runs.filter(aborted=True).exclude(reason_code__in=("", FORGOTTEN)).update(reason_code=FORGOTTEN)
        SagaRun.objects.filter(actor__in=person.names).update(actor=person.actor)
        reasons = runs.exclude(reason__in=("", FORGOTTEN)).update(reason=FORGOTTEN)
        return {"texts of sagas": reasons + steps.update(error=FORGOTTEN)}
