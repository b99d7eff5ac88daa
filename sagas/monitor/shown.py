"""What became of steps, told to Flower: one piece of work for all runs of a batch that ended alike."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from uuid import UUID

from events.declare.ids import texts_of
from events.monitor.pieces import Kind, Problem, is_told, tell
from sagas.models import SagaRun
from sagas.values import Action, Call


def ended(action: Action, calls: Iterable[tuple[Call, str]], began: float) -> None:
    """These calls ended for good: done, or refused with this code. To be called in the transaction that writes it.

    The text of a refusal may be about a person, so only its code is shown.
    """
    if not is_told():
        return
    alike: dict[tuple[str, int, bool], list[str]] = defaultdict(list)
    for call, code in calls:
        alike[code, call.attempt, call.undo].append(call.whole or str(call.subject))
    for (code, attempt, undo), subjects in alike.items():
        problem = Problem(f"Refused: {code}") if code else None
        tell(
            action.task, _kind(undo), subjects,
            began=began, problem=problem, final=True, retries=max(0, attempt - 1),
        )  # fmt: skip


def failed(  # noqa: PLR0917  what is written of a failure
    action: Action, undo: bool, subjects: Sequence[UUID], problem: Problem, began: float, attempt: int, *, final: bool
) -> None:
    """These are tried again or, if `final`, have no attempt left."""
    tell(
        action.task, _kind(undo), texts_of(subjects), began=began, problem=problem, final=final,
        retries=max(0, attempt - 1),
    )  # fmt: skip


def left(action: Action, undo: bool, run_ids: Sequence[UUID], problem: Problem, began: float) -> None:
    """The sweep sends these again."""
    if is_told():
        subjects = SagaRun.objects.filter(id__in=run_ids).values_list("subject", flat=True)
        tell(action.task, _kind(undo), texts_of(subjects), began=began, problem=problem)


def postponed(action: Action, undo: bool, subjects: Sequence[UUID], why: str, began: float) -> None:
    """No attempt was spent on these."""
    tell(action.task, _kind(undo), texts_of(subjects), began=began, problem=Problem(f"Postponed: {why}"))


def _kind(undo: bool) -> Kind:
    return Kind.UNDO if undo else Kind.STEP
