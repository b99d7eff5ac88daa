"""Prometheus' programs: those of the system, or those that `.ci/prometheus` has unpacked."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from orderproject.stack.processes import PROJECT

UNPACKED = PROJECT / ".venv" / "prometheus" / "usr" / "bin"
RULES = PROJECT / "deploy" / "prometheus"
BOARDS = PROJECT / "deploy" / "grafana" / "dashboards"


def program(name: str) -> Path | None:
    found = shutil.which(name, path=f"{UNPACKED}{os.pathsep}{os.environ.get('PATH', '')}")
    return Path(found) if found else None


def run(name: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Its outcome, whatever it is."""
    found = program(name)
    assert found, f"{name} is missing: run .ci/prometheus"
    return subprocess.run([found, *arguments], capture_output=True, text=True, timeout=120, check=False)


# Debian's Alertmanager reads its templates from here only.
TEMPLATES = Path("/usr/share/prometheus/alertmanager/default.tmpl")
COMPLETE = (
    all(map(program, ("prometheus", "promtool", "prometheus-alertmanager", "amtool", "prometheus-node-exporter")))
    and TEMPLATES.exists()
)
# In CI nothing is left out: there the tests fail without the programs.
needs_prometheus = pytest.mark.skipif(
    not COMPLETE and os.environ.get("CI") != "true",
    reason="Prometheus is missing: run .ci/prometheus",
)
