"""`python -m tests.contracts` publishes events that are new: it adds their golden and schema, changes no other, and
writes the catalogue. It needs no server.
"""

import os

import django
from django.core.management import call_command

NOWHERE = {
    "DJANGO_SETTINGS_MODULE": "orderproject.settings",
    "ENVIRONMENT": "test",
    "DATABASE_URL": "postgres://nobody@127.0.0.1:9/none",
    "REDIS_URL": "redis://127.0.0.1:9/0",
}


def main() -> None:
    os.environ.update(NOWHERE)
    django.setup()
    from tests.contracts.published import publish  # it needs the applications

    for file in publish():
        print(f"{file.parent.name}/{file.name}")
    call_command("catalogue")


main()
