"""What the locked versions must agree on: with each other, with the servers, and with the oldest Python."""

import re
from importlib.metadata import distribution, requires

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from orderproject.stack.processes import PROJECT

LOCKED = dict(re.findall(r"^([\w.-]+)==([\w.]+)", (PROJECT / "requirements.txt").read_text(), re.MULTILINE))
ASKED = [
    Requirement(line)
    for line in (PROJECT / "requirements.in").read_text().splitlines()
    if line.strip() and not line.startswith(("#", "-"))
]


def test_the_example_locks_the_same_versions() -> None:
    """It is the same kernel, so it must be tested on what this project runs on."""
    example = (PROJECT / "examples" / "library" / "requirements.txt").read_text()
    locked = re.findall(r"^([\w.-]+)==([\w.]+)", example, re.MULTILINE)
    shared = [(name, version) for name, version in locked if name in LOCKED]
    assert len(shared) > 15
    assert [(name, version) for name, version in shared if LOCKED[name] != version] == []


def test_celery_is_asked_for_with_what_its_redis_transport_needs() -> None:
    (celery,) = [one for one in ASKED if one.name == "celery"]
    assert "redis" in celery.extras
    assert {"redis", "packaging"} <= LOCKED.keys()


def test_kombu_takes_the_redis_client() -> None:
    (wanted,) = [one for one in map(Requirement, requires("kombu") or []) if one.name == "redis"]
    assert wanted.specifier.contains(LOCKED["redis"])


@pytest.mark.parametrize("name", sorted(LOCKED))
def test_it_runs_on_the_oldest_python(name: str) -> None:
    """The newest Django, its admin theme and others want a newer one."""
    try:
        wanted = distribution(name).metadata["Requires-Python"]
    except ModuleNotFoundError:  # for another platform
        return
    assert SpecifierSet(wanted or "").contains("3.11.0")
