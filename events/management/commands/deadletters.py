"""`manage.py deadletters`: lists, retries, discards or edits dead letters."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
from django.core.management.base import CommandError, CommandParser
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from desk import terminal
from desk.json_text import pretty
from desk.terminal import actor, add_yes, ask, console
from events.dead_letters import repair
from events.dead_letters.diff import difference
from events.dead_letters.queries import dead_letters, delivery_id, letter_id, with_last_error
from events.errors import Refused
from events.models import Delivery

IDS = "delivery numbers, or ids from the API"


class Command(terminal.Command):
    help = "Lists, retries, discards or edits dead letters. Every change is recorded in the audit log."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        listing = actions.add_parser("list", help="list dead letters, newest first")
        listing.add_argument("--subscriber")
        listing.add_argument("--error")
        listing.add_argument("--limit", type=int, default=50)
        actions.add_parser("groups", help="count dead letters by subscriber and error")
        actions.add_parser("show", help="show one with its data and attempts").add_argument("id")
        for name, text in (("retry", "deliver again"), ("discard", "give up for good; they stay on record")):
            working = actions.add_parser(name, help=text)
            working.add_argument("ids", nargs="*", metavar="id", help=IDS)
            working.add_argument("--group", help="subscriber/ErrorType, as `groups` shows it")
            working.add_argument("--dry-run", action="store_true")
            working.add_argument("--reason", default="")
            add_yes(working)
        editing = actions.add_parser("edit", help="edit the data in $EDITOR and retry")
        editing.add_argument("id")
        editing.add_argument("--data", type=Path, help="a file with the data as JSON, instead of $EDITOR")
        editing.add_argument("--dry-run", action="store_true", help="only show the difference")
        editing.add_argument("--reason", default="")
        add_yes(editing)

    def handle(self, *args: Any, **options: Any) -> None:
        self.console = console(self.stdout)
        try:
            getattr(self, f"_{options['action']}")(options)
        except Refused as error:
            raise CommandError(error.detail) from error

    def _list(self, options: dict[str, Any]) -> None:
        wanted = {"subscriber": options["subscriber"], "error_type": options["error"]}
        letters = dead_letters().filter(**{name: value for name, value in wanted.items() if value})
        table = Table("id", "died", "subscriber", "event", "error", box=None)
        for one in letters.order_by("-id")[: options["limit"]]:
            error = f"{one.error_type}: {one.error}".splitlines()[0][:100]
            table.add_row(str(one.id), f"{one.died_at:%Y-%m-%d %H:%M:%S}", one.subscriber, str(one.event), error)
        self.console.print(table)

    def _groups(self, options: dict[str, Any]) -> None:
        table = Table("dead", "oldest", "newest", "group", box=None)
        for one in repair.groups():
            table.add_row(
                str(one.count), f"{one.oldest:%m-%d %H:%M:%S}", f"{one.newest:%m-%d %H:%M:%S}", str(one.group)
            )
        self.console.print(table)

    def _show(self, options: dict[str, Any]) -> None:
        one = self._one(options["id"])
        event = one.event
        facts = {
            "id": f"{one.id} ({letter_id(one.id)})", "state": one.state, "subscriber": one.subscriber,
            "event": f"{event} {event.version} {event.event_id}", "correlation": event.correlation_id,
            "causation": event.causation_id, "trace": event.traceparent,
        }  # fmt: skip
        for name, value in facts.items():
            self.console.print(f"{name:12} {value}")
        self.console.print(pretty(event.data))
        if one.edited_data is not None:
            self.console.print(difference(event.data, one.edited_data))
        for attempt in one.failures.order_by("id"):
            head = f"{attempt.at:%Y-%m-%d %H:%M:%S} {attempt.worker} {attempt.duration_ms} ms"
            self.console.print(f"\nattempt {attempt.number}: {head}\n{attempt.traceback or attempt.error}")

    def _retry(self, options: dict[str, Any]) -> None:
        self._work("retry", options)

    def _discard(self, options: dict[str, Any]) -> None:
        if not (options["reason"].strip() or options["dry_run"]):
            raise CommandError("Give a reason with --reason: discarded deliveries are never delivered.")
        self._work("discard", options)

    def _work(self, action: str, options: dict[str, Any]) -> None:
        choice = self._choice(options)
        work = repair.retry if action == "retry" else repair.discard
        by = {"actor": actor(), "reason": options["reason"]}
        dead = work(choice, dry_run=True, **by).done
        if options["dry_run"] or not dead:
            self.console.print(f"{dead} dead deliveries match ({action}); nothing was changed.")
            return
        ask(f"{action.capitalize()} {dead} dead deliveries?", yes=options["yes"])
        with Progress(console=Console(stderr=True), transient=True) as progress:
            task = progress.add_task(action, total=dead)
            outcome = work(choice, progress=lambda done: progress.update(task, completed=done), **by)
        self.console.print(f"{outcome.done} dead deliveries: {action} done.")

    def _edit(self, options: dict[str, Any]) -> None:
        one = self._one(options["id"])
        text = options["data"].read_text() if options["data"] else _in_editor(pretty(repair.data_to_deliver(one)))
        try:
            data = msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeError) as error:
            raise CommandError(f"This is not valid JSON: {error}") from error
        by = {"actor": actor(), "reason": options["reason"]}
        shown = repair.fingerprint(one, data)
        self.console.print(repair.edit(one, data, dry_run=True, **by) or "Nothing changed.")
        if not options["dry_run"]:
            ask("Retry with these data?", yes=options["yes"])
            repair.edit(one, data, shown=shown, **by)
            self.console.print("The delivery is due again.")

    def _choice(self, options: dict[str, Any]) -> repair.Choice:
        if bool(options["ids"]) == bool(options["group"]):
            raise CommandError("Name either ids or --group.")
        if options["group"]:
            subscriber, slash, error_type = options["group"].partition("/")
            if not slash:
                raise CommandError("A group is subscriber/ErrorType, as `deadletters groups` shows it.")
            return repair.Group(subscriber, error_type)
        return [_number(text) for text in options["ids"]]

    def _one(self, text: str) -> Any:
        one = with_last_error(Delivery.objects.filter(id=_number(text))).first()
        if one is None:
            raise CommandError(f"There is no delivery {text}.")
        return one


def _number(text: str) -> int:
    """The delivery's number, given as a number or as the API's id. Raises CommandError."""
    if text.isdecimal():
        return int(text)
    try:
        number = delivery_id(UUID(text))
    except ValueError:
        number = None
    if number is None:
        raise CommandError(f"{text} is not the id of a delivery.")
    return number


def _in_editor(text: str) -> str:
    editor = shlex.split(os.environ.get("EDITOR") or "vi")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "data.json")
        file.write_text(text)
        if subprocess.run([*editor, str(file)], check=False).returncode:
            raise CommandError("The editor failed; nothing was done.")
        return file.read_text()
