"""Types that many threads meet for the first time at the same instant."""

import os
import re
import subprocess
import sys
from pathlib import Path

from orderproject.applications import PACKAGES
from orderproject.stack.processes import PROJECT

THREADS, KINDS = 16, 100
PROGRAM = f"""
import sys, threading
from typing import Annotated
import msgspec
from web.typed import convert, decoder

sys.setswitchinterval(1e-6)

def kinds():
    class Inner(msgspec.Struct):
        text: Annotated[str, msgspec.Meta(max_length=9)]
        number: Annotated[int, msgspec.Meta(ge=1)]

    class Outer(msgspec.Struct):
        one: Inner
        many: list[Inner]

    return Outer, Inner

DATA = {{"text": "a", "number": 1}}
met = []

def meet(start, outer, inner, at_once):
    start.wait()
    if at_once:
        convert(DATA, inner)
    met.append(convert({{"one": DATA, "many": [DATA]}}, outer).many[0].number)
    met.append(decoder(inner).decode(b'{{"text": "a", "number": 1}}').number)

for _ in range({KINDS}):
    outer, inner = kinds()
    start = threading.Barrier({THREADS})
    threads = [threading.Thread(target=meet, args=(start, outer, inner, n % 2)) for n in range({THREADS})]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
print(sum(met))
"""
LOOKS = re.compile(r"msgspec\.convert\(|json\.Decoder\(|json\.decode\(.*type=")
ALLOWED = {
    "web/typed.py": "here it is done one at a time",
    "payments/sandbox/commands.py": "a program of one thread",
    "payments/sandbox/wire.py": "a program of one thread",
    "web/wire.py": "into no type",
}


def test_nobody_finds_a_type_half_known() -> None:
    """In a process of its own, which msgspec by itself would kill."""
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, check=False, cwd=PROJECT, env=dict(os.environ), capture_output=True, timeout=60)
    assert (done.returncode, done.stdout.strip()) == (0, b"%d" % (2 * THREADS * KINDS)), done.stderr.decode()


def test_nothing_else_lets_msgspec_look_at_types() -> None:
    used = {
        str(path.relative_to(PROJECT))
        for package in PACKAGES
        for path in Path(PROJECT, package).rglob("*.py")
        if LOOKS.search(path.read_text())
    }
    assert used <= ALLOWED.keys()
