"""The kernel as a wheel, in a clean environment: another project runs on it, without anything of this one."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from email import message_from_bytes
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement

from orderproject.stack.processes import PROJECT

KERNEL = ("desk", "web", "events", "sagas")
EXAMPLE = PROJECT / "examples" / "library"
LOCKED = EXAMPLE / "requirements.txt"
EXTRAS = {"rest_framework", "rest_framework_simplejwt", "django_filters", "drf_spectacular", "unfold"}
VALKEY_DATABASE = 15
"""One that no other test uses: the example empties it."""
IMPORT_ALL = """
import pkgutil, django
django.setup()
for package in ("desk", "web", "events", "sagas"):
    for module in pkgutil.walk_packages([__import__(package).__path__[0]], package + "."):
        try:
            __import__(module.name)
        except ModuleNotFoundError as error:
            print(module.name, error.name.partition(".")[0])
"""
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def run(*command: str | Path, cwd: Path = PROJECT, env: dict[str, str] | None = None) -> str:
    outcome = subprocess.run(
        [str(one) for one in command], cwd=cwd, env=env, capture_output=True, text=True, check=False
    )
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    return outcome.stdout


def pip(*arguments: str | Path) -> None:
    run(sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", *arguments)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as `make wheel` does: without isolation, so that nothing is downloaded."""
    folder = tmp_path_factory.mktemp("wheel")
    pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, PROJECT / "kernel")
    (built,) = folder.iterdir()
    return built


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a new environment that holds the wheel, its locked dependencies and pytest."""
    folder = tmp_path_factory.mktemp("environment")
    run(sys.executable, "-m", "venv", "--without-pip", folder)
    python = folder / "bin" / "python"
    pip("--python", python, "install", "--no-compile", "--require-hashes", "-r", LOCKED)
    pip("--python", python, "install", "--no-compile", "--no-deps", wheel)
    return python


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy far from this project, so that nothing of it is found by accident."""
    folder = tmp_path_factory.mktemp("example") / "library"
    return Path(shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("__pycache__", ".venv")))


@pytest.fixture
def environment() -> dict[str, str]:
    """Only the servers of this test run: no name of our settings, no path to our code."""
    return {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": urlunsplit(urlsplit(os.environ["DATABASE_URL"])._replace(path="/library")),
        "REDIS_URL": urlunsplit(urlsplit(os.environ["REDIS_URL"])._replace(path=f"/{VALKEY_DATABASE}")),
        "DJANGO_SETTINGS_MODULE": "library.settings",
    }


def test_the_wheel_holds_every_file_of_the_kernel_and_nothing_else(wheel: Path) -> None:
    ours = {
        str(path.relative_to(PROJECT))
        for package in KERNEL
        for path in (PROJECT / package).rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    held = {name for name in ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert held == ours
    for needed in ("events/breakers/breaker.lua", "desk/static/desk/admin.css", "sagas/py.typed"):
        assert needed in held


def test_its_metadata_ask_for_what_is_locked(wheel: Path) -> None:
    archive = ZipFile(wheel)
    (name,) = [one for one in archive.namelist() if one.endswith(".dist-info/METADATA")]
    metadata = message_from_bytes(archive.read(name))
    assert (metadata["Name"], metadata["Version"]) == ("django-event-sagas", "0.1.0")
    locked = dict(re.findall(r"^([\w.-]+)==([\w.]+)", (PROJECT / "requirements.txt").read_text(), re.MULTILINE))
    for wanted in map(Requirement, metadata.get_all("Requires-Dist", [])):
        assert len(wanted.specifier) == 2, f"{wanted} needs a lower and an upper bound"
        assert wanted.specifier.contains(locked[wanted.name]), f"{wanted}, but {locked[wanted.name]} is locked"


def test_nothing_of_this_project_is_there(python: Path, example: Path, environment: dict[str, str]) -> None:
    program = """
import importlib.util as util
ours = ("orderproject", "orders", "inventory", "payments", "notifications", "publishing")
for name in (*ours, "unfold", "rest_framework"):
    assert util.find_spec(name) is None, name
import events
print(events.__file__)
"""
    at = run(python, "-c", program, cwd=example, env=environment)
    assert Path(at.strip()).is_relative_to(python.parent.parent)


def test_every_module_is_importable_but_those_of_the_extras(
    python: Path, example: Path, environment: dict[str, str]
) -> None:
    failed = dict(line.split() for line in run(python, "-c", IMPORT_ALL, cwd=example, env=environment).splitlines())
    assert set(failed.values()) <= EXTRAS
    for needed in ("events.admin", "events.models", "sagas.admin", "sagas.saga", "desk.admin", "events.delivery.relay"):
        assert needed not in failed


def test_the_example_passes_its_tests(python: Path, example: Path, environment: dict[str, str]) -> None:
    """On the real relay, worker and beat, PostgreSQL and Valkey; SQLite is refused there too."""
    told = run(python, "-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=example, env=environment)
    last = told.strip().splitlines()[-1]
    found = re.match(r"(\d+) passed in", last)
    assert found is not None, last
    assert int(found[1]) >= 20
