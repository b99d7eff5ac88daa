"""`manage.py sagas`: lists saga runs and repairs stuck ones."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.core.management.base import CommandError, CommandParser
from rich.table import Table

from desk import terminal
from desk.terminal import actor, add_yes, ask, console
from sagas.models import SagaRun
from sagas.operations import repair
from sagas.operations.picture import pictures
from sagas.operations.subject import SUBJECT
from sagas.plan import RunState


class Command(terminal.Command):
    help = "Lists, retries, skips or compensates saga runs. Every change is recorded in the audit log."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        listing = actions.add_parser("list", help="list runs, newest first; only stuck ones by default")
        listing.add_argument("--saga")
        listing.add_argument("--state", choices=[*map(str, RunState), "all"], default=str(RunState.STUCK))
        listing.add_argument(f"--{SUBJECT}", type=UUID, dest="subject")
        listing.add_argument("--limit", type=int, default=50)
        for name, text in (
            ("show", "show one run with its steps"), ("retry", "retry the stuck steps"),
            ("skip", "mark a stuck step as resolved by hand"), ("compensate", "undo a running saga"),
        ):  # fmt: skip
            action = actions.add_parser(name, help=text)
            action.add_argument("run", type=UUID)
            if name == "skip":
                action.add_argument("step")
            if name != "show":
                action.add_argument("--reason", default="", required=name == "skip")
                add_yes(action)

    def handle(self, *args: Any, **options: Any) -> None:
        self.console = console(self.stdout)
        try:
            getattr(self, f"_{options['action']}")(options)
        except SagaRun.DoesNotExist as error:
            raise CommandError(f"There is no saga {options['run']}.") from error
        except repair.NotRepairable as error:
            raise CommandError(str(error)) from error

    def _list(self, options: dict[str, Any]) -> None:
        state = None if options["state"] == "all" or options["subject"] else options["state"]
        wanted = {"saga": options["saga"], "state": state, "subject": options["subject"]}
        runs = SagaRun.objects.filter(**{name: value for name, value in wanted.items() if value})
        table = Table("id", "started", "saga", "state", SUBJECT, "reason", box=None)
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
        ask("Retry the stuck steps?", yes=options["yes"])
        repair.retry(options["run"], actor=actor(), reason=options["reason"])
        self._show(options)

    def _skip(self, options: dict[str, Any]) -> None:
        ask(f"Mark {options['step']} as resolved by hand?", yes=options["yes"])
        repair.skip(options["run"], options["step"], actor=actor(), reason=options["reason"])
        self._show(options)

    def _compensate(self, options: dict[str, Any]) -> None:
        ask("Undo all its completed steps?", yes=options["yes"])
        repair.compensate(options["run"], actor=actor(), reason=options["reason"])
        self._show(options)
