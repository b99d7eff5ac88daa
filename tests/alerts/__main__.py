"""`python -m tests.alerts`: every fault, one after the other, after an hour of normal load in the time of the rules."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path

import pytest

HOUR = 300
"""Seconds of normal load: an hour, because time passes twelve times faster for the rules."""


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        os.environ |= {"ALERT_FAULTS": "all", "ALERT_QUIET": str(HOUR), "ALERT_REPORT": str(report)}
        code = pytest.main(["-q", "-n", "0", str(Path(__file__).with_name("test_end_to_end.py"))])
        if report.exists():
            print("| Fault | alert after | over after |\n|---|---|---|")
            for name, (raised, over) in json.loads(report.read_text()).items():
                print(f"| {name} | {raised:.0f} s | {over:.0f} s |")
        return int(code)


if __name__ == "__main__":
    sys.exit(main())
