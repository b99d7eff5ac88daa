"""The stack with real servers and stand-ins over them, given as arguments `name:behaviour`."""

import sys
from pathlib import Path

from orderproject.stack.__main__ import main
from orderproject.stack.deployment import Deployment
from orderproject.stack.probes import log_matches
from orderproject.stack.process_specs import Waves
from orderproject.stack.processes import ProcessSpec
from orderproject.stack.stack import ProcessTable

CHILD = str(Path(__file__).with_name("fake_child.py"))


def waves(at: Deployment) -> Waves:
    return tuple((child(at, *argument.split(":")),) for argument in sys.argv[1:])


def child(at: Deployment, name: str, behaviour: str) -> ProcessSpec:
    argv = (sys.executable, CHILD, name, behaviour, str(at.data / "notes"))
    return ProcessSpec(name, argv, at.environment_of_processes(), log_matches(r"ready\."), stop_timeout=2.0)


def preparation(at: Deployment) -> ProcessSpec:
    return ProcessSpec("prepare", ("true",), at.environment_of_processes())


def demonstration(at: Deployment) -> ProcessSpec:
    return ProcessSpec("demo", ("echo", "a sample order"), at.environment_of_processes())


if __name__ == "__main__":
    sys.exit(main(ProcessTable(preparation, waves, demonstration)))
