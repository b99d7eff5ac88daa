"""What web's worker has done when its first request comes."""

import json
import subprocess
import sys
from typing import Any

import pytest

SCRIPT = """
import gc, json, sys
from types import SimpleNamespace
from gunicorn.config import Config
from gunicorn.glogging import Logger
from orderproject.web import Worker

def application():
    from orderproject.wsgi import application
    return application

cfg = Config()
worker = Worker(1, 0, [], SimpleNamespace(wsgi=application), 30, cfg, Logger(cfg))
before = gc.get_threshold()
worker.load_wsgi()
views = sorted(name for name in sys.modules if name.endswith((".views", ".api", ".urls")))
print(json.dumps({"views": views, "frozen": gc.get_freeze_count(), "young": gc.get_threshold(), "before": before}))
"""


@pytest.fixture(scope="module")
def loaded() -> dict[str, Any]:
    ended = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=120, check=True)
    said: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return said


def test_the_views_are_imported(loaded: dict[str, Any]):
    assert "orderproject.urls" in loaded["views"]
    assert any(name.startswith("orders") for name in loaded["views"]), loaded["views"]


def test_a_collection_looks_through_nothing_that_was_loaded_and_through_little_at_a_time(loaded: dict[str, Any]):
    assert loaded["frozen"] > 50_000
    assert loaded["young"][0] == 10_000 < loaded["before"][0]
