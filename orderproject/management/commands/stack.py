from typing import Any

from django.core.management.base import BaseCommand, CommandError

from orderproject.stack.configuration import from_environment
from orderproject.stack.errors import StackError
from orderproject.stack.stack import Stack


class Command(BaseCommand):
    help = "Runs the whole project on this machine: servers, web, workers, relay, beat, Flower."
    # The stack makes the servers that the settings ask for: manage.py runs it before they load. This is for
    # `manage.py help`, and for `call_command` where they load anyhow.
    requires_system_checks = ()

    def handle(self, *_args: Any, **_options: Any) -> None:
        try:
            Stack(from_environment()).run()
        except StackError as error:
            raise CommandError(str(error)) from error
