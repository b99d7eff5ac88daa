"""The settings, and the page that explains them, name the same things, and everything that they name exists."""

import ast
import re
from pathlib import Path

import pytest
from django.conf import global_settings, settings
from django.utils.module_loading import import_string

from orderproject.stack.processes import PROJECT
from tests.integration.test_compose import OTHER_VARIABLES, variables_of_settings

PACKAGES = (
    "desk", "events", "inventory", "notifications", "orderproject", "orders", "payments", "publishing", "sagas", "web",
)  # fmt: skip
PAGE = (PROJECT / "docs" / "operations" / "settings.md").read_text()
# Settings of Celery and of other packages, which our code reads to do as they do.
OTHERS = re.compile(
    "CELERY|REST_FRAMEWORK|SIMPLE_JWT|SPECTACULAR|AXES|UNFOLD|WHITENOISE|AUTH_USER_MODEL|ROOT_URLCONF"
    "|CONTENT_SECURITY_POLICY|PERMISSIONS_POLICY"
)
# What other settings are made of, and not to be set by itself.
INGREDIENTS = {"BASE_DIR", "PRODUCTION", "RABBITMQ_QUEUE", "VISIBILITY_TIMEOUT"}
READERS = {"settings", "event_settings", "saga_settings"}
"""The names through which code reads a setting: Django's, and the kernels' own with their defaults."""
DOTTED = re.compile(r"[a-z_]+(\.\w+)+")


def sources() -> list[Path]:
    return [path for package in PACKAGES for path in sorted((PROJECT / package).rglob("*.py"))]


def settings_read() -> set[str]:
    """Every `settings.NAME` in the packages that is neither Django's nor another package's."""
    read = {
        node.attr
        for path in sources()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in READERS
    }
    return {name for name in read if name.isupper() and not hasattr(global_settings, name) and not OTHERS.match(name)}


def table(heading: str) -> set[str]:
    """The names in the first column of the table below this heading."""
    below = re.search(rf"^{heading}$(.*?)(?=^#|\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert below
    return set(re.findall(r"^\| `(\w+)`", below[1], re.MULTILINE))


def test_the_page_lists_exactly_the_variables_that_the_settings_read() -> None:
    assert table("# Settings") == variables_of_settings()


def test_the_page_tells_of_the_variables_that_other_programs_read() -> None:
    assert {name for name in OTHER_VARIABLES if f"`{name}" not in PAGE} == set()


def test_the_page_lists_exactly_the_project_s_own_settings() -> None:
    documented = table("## Settings in the settings file")
    assert documented == settings_read() - variables_of_settings() - INGREDIENTS


def dotted_paths() -> list[str]:
    values = {name: getattr(settings, name) for name in settings_read()}
    return sorted(name for name, value in values.items() if isinstance(value, str) and DOTTED.fullmatch(value))


@pytest.mark.parametrize("name", dotted_paths())
def test_a_setting_that_names_something_names_what_exists(name: str) -> None:
    assert callable(import_string(getattr(settings, name)))


def test_every_setting_of_our_own_is_read() -> None:
    tree = ast.parse((PROJECT / "orderproject" / "settings.py").read_text())
    assigned = [node for node in ast.walk(tree) if isinstance(node, ast.Assign | ast.AnnAssign)]
    targets = [node.targets[0] if isinstance(node, ast.Assign) else node.target for node in assigned]
    names = {target.id for target in targets if isinstance(target, ast.Name) and target.id.isupper()}
    loaded = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    own = {name for name in names if not hasattr(global_settings, name) and not OTHERS.match(name)}
    assert own - settings_read() - loaded == set()
