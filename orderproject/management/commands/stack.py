from typing import Any

from django.core.management.base import CommandError

from desk import terminal
from orderproject.stack.configuration import from_environment
from orderproject.stack.errors import StackError
from orderproject.stack.stack import Stack


class Command(terminal.Command):
    help = "Runs the whole project on this machine: servers, web, workers, relay, beat, Flower."
    # The stack starts the servers whose addresses the settings need, so manage.py runs it before Django loads. This
    # class serves `manage.py help`, and `call_command` where the settings are loaded already.
    requires_system_checks = ()

    def handle(self, *_args: Any, **_options: Any) -> None:
        try:
            Stack(from_environment()).run()
        except StackError as error:
            raise CommandError(str(error)) from error
