#!/usr/bin/env python
"""Django's command line. `manage.py stack` runs the whole project on this machine."""

import os
import sys


def main() -> None:
    if sys.argv[1:2] == ["stack"]:  # starts the servers whose addresses the settings need, so it runs before they load
        from orderproject.stack.__main__ import main as run_stack

        sys.exit(run_stack())
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "orderproject.settings")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
