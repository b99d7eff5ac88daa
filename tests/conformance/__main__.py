"""`python -m tests.conformance http://127.0.0.1:8000`: schemathesis against a running stack, every check on.

Logs in as the stack's own administrator. `--examples` says how many cases each operation gets.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import httpx

CONFIGURATION = Path(__file__).with_name("schemathesis.toml")
STREAMS = "/stream/$"
"""Without end, so that a run would wait for ever; tests of their own read them."""


def check(url: str, token: str, examples: int, seed: int | None = None) -> subprocess.CompletedProcess[str]:
    """Runs it; everything it found stands in the output."""
    seeded = () if seed is None else ("--seed", str(seed))
    command = (
        *(Path(sys.executable).with_name("schemathesis"), "--config-file", CONFIGURATION),
        *("run", f"{url}/api/v1/schema/?format=json", "--header", f"Authorization: Bearer {token}"),
        *("--checks", "all", "--max-examples", str(examples), "--exclude-path-regex", STREAMS, *seeded),
    )
    return subprocess.run(command, capture_output=True, text=True, check=False)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.conformance")
    parser.add_argument("url", nargs="?", default="http://127.0.0.1:8000")
    parser.add_argument("--examples", type=int, default=300, help="cases per operation (%(default)s)")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--username", default="admin")
    parser.add_argument("--password", default="admin")
    asked = parser.parse_args()
    credentials = {"username": asked.username, "password": asked.password}
    answer = httpx.post(f"{asked.url}/api/v1/auth/token/", json=credentials).raise_for_status()
    result = check(asked.url, answer.json()["access"], asked.examples, asked.seed)
    sys.stdout.write(result.stdout)
    sys.stderr.write(result.stderr)
    return result.returncode


if __name__ == "__main__":
    sys.exit(main())
