"""`manage.py sagas`: see runs of sagas, and repair those that are stuck."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.table import Table

from events.terminal import actor, add_yes, ask, console
from sagas import repair
from sagas.models import SagaRun
from sagas.picture import pictures
from sagas.plan import RunState


class Command(BaseCommand):
    help = "Lists runs of sagas; retries, skips and compensates. What is done is written into the audit."

    def add_arguments(self, parser: CommandParser) -> None:
        deeds = parser.add_subparsers(dest="deed", required=True)
        listing = deeds.add_parser("list", help="the newest first; those that are stuck if nothing else is said")
        listing.add_argument("--saga")
        listing.add_argument("--state", choices=[*map(str, RunState), "all"], default=str(RunState.STUCK))
        listing.add_argument("--order", type=UUID)
        listing.add_argument("--limit", type=int, default=50)
        for name, text in (
            ("show", "one run with its steps"), ("retry", "try again what is stuck"),
            ("skip", "count a stuck step as settled"), ("compensate", "turn a running saga back"),
        ):  # fmt: skip
            deed = deeds.add_parser(name, help=text)
            deed.add_argument("run", type=UUID)
            if name == "skip":
                deed.add_argument("step")
            if name != "show":
                deed.add_argument("--reason", default="", required=name == "skip")
                add_yes(deed)

    def handle(self, *args: Any, **options: Any) -> None:
        self.console = console(self.stdout)
        try:
            getattr(self, f"_{options['deed']}")(options)
        except SagaRun.DoesNotExist as error:
            raise CommandError(f"There is no saga {options['run']}.") from error
        except repair.NotRepairable as error:
            raise CommandError(str(error)) from error

    def _list(self, options: dict[str, Any]) -> None:
        state = None if options["state"] == "all" or options["order"] else options["state"]
        wanted = {"saga": options["saga"], "state": state, "subject": options["order"]}
        runs = SagaRun.objects.filter(**{name: value for name, value in wanted.items() if value})
        table = Table("id", "started", "saga", "state", "order", "reason", box=None)
        for run in runs.order_by("-id")[: options["limit"]]:
            started = f"{run.started_at:%Y-%m-%d %H:%M:%S}"
            table.add_row(str(run.id), started, run.saga, run.state, str(run.subject), run.reason_code)
        self.console.print(table)

    def _show(self, options: dict[str, Any]) -> None:
        (picture,) = pictures([SagaRun.objects.prefetch_related("steps").get(id=options["run"])])
        run = picture.run
        self.console.print(f"{run.saga} {run.id} of {run.subject}: {run.state} {run.reason_code} {run.reason}".rstrip())
        table = Table("stage", "step", "state", "attempts", "error", box=None)
        for number, stage in enumerate(picture.stages):
            for box in stage:
                error = f"{box.row.error_code} {box.row.error}" if box.row else ""
                attempts = str(box.row.attempts) if box.row else ""
                table.add_row(str(number), f"{box.name}{' (pivot)' * box.pivot}", box.label, attempts, error)
        self.console.print(table)

    def _retry(self, options: dict[str, Any]) -> None:
        ask("Try again what is stuck?", yes=options["yes"])
        repair.retry(options["run"], actor=actor(), reason=options["reason"])
        self._show(options)

    def _skip(self, options: dict[str, Any]) -> None:
        ask(f"Count {options['step']} as settled?", yes=options["yes"])
        repair.skip(options["run"], options["step"], actor=actor(), reason=options["reason"])
        self._show(options)

    def _compensate(self, options: dict[str, Any]) -> None:
        ask("Turn it back?", yes=options["yes"])
        repair.compensate(options["run"], actor=actor(), reason=options["reason"])
        self._show(options)
