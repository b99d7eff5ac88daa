"""`python -m tests.chaos.wires --wire kafka --faults 200`: faults at a wire under load, and a consumer that counts.

At Kafka, `--plain` adds the faults of the broker itself: after a crash, `tansu` confirms to an idempotent producer what
it has not stored. Prints the seed, and a table of faults. SIGINT ends the faults, and what has happened until then is
counted. Ends with 1 if an event is missing or overtook an earlier one of its stream, and then keeps the folder with all
logs. Duplicates are allowed, and counted.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from random import Random

import django
from django.core.management import call_command
from rich.console import Console

from tests.chaos.wires.report import Report
from tests.chaos.wires.wire import Wire, opened
from tests.plugin import Servers

PLAIN = "enable.idempotence=false,enable.gapless.guarantee=false,max.in.flight=1"
"""For brokers that lose what an idempotent producer repeats after their crash (docs/howto/publish-to-brokers.md)."""


def main() -> int:
    options = _options()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell's & ignores
    console = Console(width=132, highlight=False)
    seed = options.seed if options.seed is not None else time.time_ns() % 2**32
    console.print(f"seed {seed}")
    folder = Path(tempfile.mkdtemp(prefix="chaos-wires-"))
    folder.chmod(0o755)
    servers = Servers()
    try:
        servers.start()
        with opened(options.wire, folder) as wire:
            _use(servers.environment() | wire.environment | ({"STREAMS_KAFKA_OPTIONS": PLAIN} if options.plain else {}))
            report = _run(wire, options, seed, folder, console)
    finally:
        servers.stop()
    console.print(report.table())
    for problem in report.problems:
        console.print(problem, markup=False)
    console.print(report.summary(options.wire))
    if report.problems:
        console.print(f"The logs are in {folder}", soft_wrap=True)
        return 1
    shutil.rmtree(folder, ignore_errors=True)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.wires")
    parser.add_argument("--wire", choices=["kafka", "rabbitmq"], required=True)
    parser.add_argument("--faults", type=int, default=22, help="how many, of all kinds")
    parser.add_argument("--fault", action="append", help="only this; may be repeated")
    parser.add_argument("--seed", type=int, help="the one of an earlier run, to repeat it")
    parser.add_argument("--plain", action="store_true", help="Kafka: publish without idempotence")
    return parser.parse_args()


def _use(environment: dict[str, str]) -> None:
    os.environ.update(environment | {"DJANGO_SETTINGS_MODULE": "orderproject.settings"})
    django.setup()
    call_command("migrate", verbosity=0)


def _run(wire: Wire, options: argparse.Namespace, seed: int, folder: Path, console: Console) -> Report:
    from tests.chaos.wires.faults import FAULTS, OF_THE_BROKER
    from tests.chaos.wires.run import run

    unhurt = [name for name in FAULTS if name not in OF_THE_BROKER]
    idempotent = options.wire == "kafka" and not options.plain
    kinds = options.fault or (unhurt if idempotent else [*FAULTS, *unhurt])
    faults = [kinds[number % len(kinds)] for number in range(options.faults)]
    Random(seed).shuffle(faults)
    return run(wire, faults, seed, folder, lambda text: console.print(text, markup=False))


if __name__ == "__main__":
    sys.exit(main())
