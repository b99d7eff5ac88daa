"""Request and response bodies of the replay API."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta

from desk.one_line import OneLine
from events import models
from events.replay import replays

Name = Annotated[str, Meta(min_length=1, max_length=150, examples=["application.function"])]
Stream = Annotated[str, Meta(max_length=200, description="One stream alone", examples=["<kind>:<id>"])]
Moment = Annotated[datetime, Meta(tz=True)]
Reason = Annotated[OneLine, Meta(max_length=500, description="Recorded in the audit log")]
State = Annotated[str, Meta(extra_json_schema={"enum": models.ReplayState.values})]


class NewReplay(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The events to replay and their subscriber. `until` is exclusive. A read model needs the whole log: no range."""

    subscriber: Name
    since: Moment | None = None
    until: Moment | None = None
    stream: Stream | None = None
    dry_run: bool = False
    reason: Reason = ""

    @property
    def scope(self) -> replays.Scope:
        """Raises Refused."""
        return replays.scope(self.subscriber, since=self.since, until=self.until, stream=self.stream or "")


class Replay(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """A replay and its progress. `events`: the number in scope at the start; `handled`: how many of them are handled.

    `deliveries`: created so far, or to be created with `dryRun`; a rebuild creates none. Of these, `delivered` are
    finished and `dead` have failed for good. A dry run has no `id`, because nothing was started.
    """

    id: UUID | None
    subscriber: str
    rebuild: bool
    dry_run: bool
    state: State | None
    since: datetime | None
    until: datetime | None
    stream: str | None
    events: int
    handled: int
    deliveries: int
    delivered: int
    dead: int
    progress: Annotated[float, Meta(ge=0, le=1)]
    error: str | None
    started_by: str | None
    started_at: datetime | None
    finished_at: datetime | None

    @classmethod
    def of(cls, replay: models.Replay) -> Replay:
        now = replays.progress_of(replay)
        return cls(
            id=replay.id, subscriber=replay.subscriber, rebuild=replay.build is not None, dry_run=False,
            state=replay.state, since=replay.since, until=replay.until, stream=replay.stream or None,
            events=replay.expected, handled=now.handled, deliveries=now.deliveries, delivered=now.delivered,
            dead=now.dead, progress=now.share, error=replay.error or None, started_by=replay.started_by,
            started_at=replay.started_at, finished_at=replay.finished_at,
        )  # fmt: skip

    @classmethod
    def would_be(cls, scope: replays.Scope) -> Replay:
        size = replays.size_of(scope)
        return cls(
            id=None, subscriber=scope.subscriber.name, rebuild=scope.rebuilds, dry_run=True, state=None,
            since=scope.since, until=scope.until, stream=scope.stream or None, events=size.events, handled=0,
            deliveries=size.deliveries, delivered=0, dead=0, progress=0.0, error=None, started_by=None,
            started_at=None, finished_at=None,
        )  # fmt: skip
