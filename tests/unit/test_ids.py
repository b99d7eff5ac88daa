"""By the batch as one by one."""

from __future__ import annotations

import time
from uuid import UUID, uuid4

import pytest

from events import Event
from events.declare.ids import first_id, fresh_ids, ids_of, subjects_of, texts_of


class Counted(Event, type="ids.counted", version="1.0", stream="number"):
    number: int


class Named(Event, type="ids.named", version="1.0", stream="id"):
    id: UUID


def test_fresh_ids_are_of_version_7_and_in_their_order():
    ids = fresh_ids(2000)
    assert {one.version for one in ids} == {7}
    assert sorted(set(ids)) == ids
    assert fresh_ids(0) == []


def test_the_first_id_of_a_moment_bounds_what_is_made_from_then_on():
    before, now, after = first_id(time.time() - 1), fresh_ids(1)[0], first_id(time.time() + 1)
    assert before < now < after
    assert (first_id(-1.0), first_id(1e12)) == (UUID(int=0), UUID(int=(2**48 - 1) << 80))


def test_written_and_read_as_one_by_one():
    ids = [uuid4() for _ in range(5)]
    assert texts_of(iter(ids)) == [str(one) for one in ids]
    assert ids_of([str(one) for one in ids]) == ids
    assert ids_of([]) == texts_of([]) == []


@pytest.mark.parametrize("wrong", ["", "12", "0193-", None, 7])
def test_what_is_no_id_is_refused(wrong: object):
    with pytest.raises(ValueError, match="uuid|UUID|str"):
        ids_of([str(uuid4()), wrong])  # type: ignore[list-item]


def test_subjects_are_those_of_the_events():
    named: list[Event] = [Named(id=uuid4()), Named(id=uuid4())]
    mixed: list[Event] = [*named, Counted(number=7)]
    for events in (named, mixed, []):
        assert subjects_of(events) == [event.subject for event in events]
