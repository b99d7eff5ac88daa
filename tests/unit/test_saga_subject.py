"""What a saga is about has the name that the project gives it, and is called the subject where it gives none."""

import os
import subprocess
import sys

import pytest

from orderproject.stack.processes import PROJECT

PROGRAM = """
import django
from django.conf import settings
{change}
django.setup()
import msgspec
from django.core.management import CommandParser
from sagas.management.commands.sagas import Command
from sagas.operations.filters import SagaFilters
from sagas.operations.serializers import SagaRun
print([field.encode_name for field in msgspec.structs.fields(SagaRun)][2])
print(*SagaFilters.base_filters)
parser = CommandParser(called_from_command_line=True)
Command().add_arguments(parser)
print(parser.parse_args(["list", "--{name}", "0199a7e2-5d5c-7000-8000-000000000000"]).subject.version)
"""


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("loan", "settings.SAGA_SUBJECT_NAME = 'loan'"),
        ("subject", "settings.SAGA_SUBJECT_NAME = 'loan'; del settings.SAGA_SUBJECT_NAME"),
    ],
)
def test_the_name_in_the_api_and_the_command(name: str, change: str) -> None:
    program = PROGRAM.format(name=name, change=change)
    said = subprocess.check_output([sys.executable, "-c", program], cwd=PROJECT, env=dict(os.environ), text=True)
    assert said.splitlines() == [name, f"saga state {name}", "7"]
