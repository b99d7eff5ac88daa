"""The configuration of nginx agrees with what it stands in front of."""

import re

import msgspec
import pytest
from django.conf import settings

from orderproject.api.paths import is_live
from orderproject.api.problem_body import Problem, body_of
from orderproject.stack.servers.front import START

CONFIGURATION = (START.parent / "nginx.conf").read_text()
PROBLEMS = dict(re.findall(r"^ +(\d{3}|default) '(\"type\".*)';$", CONFIGURATION, re.MULTILINE))
STATUSES = {"400", *PROBLEMS} - {"default"}


def test_every_error_that_it_answers_has_a_body() -> None:
    listed, translated = re.findall(r"error_page ([\d ]+) /problem;", CONFIGURATION), {"431", "503"}
    assert set(" ".join(listed).split()) | translated == STATUSES


@pytest.mark.parametrize("status", sorted(STATUSES))
def test_a_body_is_that_of_our_problems(status: str) -> None:
    text = f'{{{PROBLEMS.get(status, PROBLEMS["default"])},"status":{status},"instance":"","errors":[]}}'
    problem = msgspec.json.decode(text, type=Problem)
    assert msgspec.json.decode(body_of(int(status), problem.type, problem.detail, ""), type=Problem) == problem


def test_the_largest_body_is_that_of_the_api() -> None:
    assert f"client_max_body_size {settings.DATA_UPLOAD_MAX_MEMORY_SIZE};" in CONFIGURATION


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/stream/", "/api/v1/orders/1/stream/", "/api/stream", "/x/api/stream/", "/admin/operations/stream/",
        "/admin/orders/stream/",
    ],
)  # fmt: skip
def test_the_live_paths_are_those_of_the_api(path: str) -> None:
    found = re.search(r"location ~ (\S+) {", CONFIGURATION)
    assert found
    assert bool(re.search(found[1], path)) == is_live(path)
