"""`manage.py check` accepts this project, and refuses what cannot work with a sentence."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import SystemCheckError

from tests.conftest import PROJECT


def test_the_project_as_it_is_passes() -> None:
    call_command("check", fail_level="WARNING")
    call_command("makemigrations", check_changes=True, dry_run=True)


@pytest.mark.parametrize("command", ["check", "migrate"])
def test_sqlite_is_refused(tmp_path: Path, command: str) -> None:
    environment = {**os.environ, "DATABASE_URL": f"sqlite:///{tmp_path}/library.sqlite3"}
    command_line = [sys.executable, "manage.py", command]
    outcome = subprocess.run(command_line, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)
    assert outcome.returncode == 1
    assert "The default database is SQLite, but events and sagas need PostgreSQL" in outcome.stderr


def test_a_missing_setting_is_named(settings: Any) -> None:
    del settings.REDIS_URL
    with pytest.raises(SystemCheckError, match="REDIS_URL is not set: set it to the address of Redis or Valkey"):
        call_command("check")
