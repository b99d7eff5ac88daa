"""Production refuses to start on what is only good enough for a machine by itself."""

import os
import secrets
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
PRODUCTION = {
    "ENVIRONMENT": "production",
    "SECRET_KEY": secrets.token_urlsafe(60),
    "ALLOWED_HOSTS": "shop.example",
    "DATABASE_URL": "postgres://nobody@127.0.0.1:9/none",
    "REDIS_URL": "redis://127.0.0.1:9/0",
    "PAYMENT_GATEWAY_URL": "https://payments.example",
    "EMAIL_URL": "smtp://mail.example:25",
}


def check(*arguments: str, **changed: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], **PRODUCTION, **changed}
    command = [sys.executable, "manage.py", "check", *arguments]
    return subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)


def test_deployment_checks_are_clean_in_production():
    run = check("--deploy", "--fail-level", "WARNING")
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"SECRET_KEY": ""}, "set SECRET_KEY to a random text of at least 50 characters"),
        ({"SECRET_KEY": "short"}, "set SECRET_KEY"),
        ({"ALLOWED_HOSTS": ""}, "set ALLOWED_HOSTS"),
        ({"PAYMENT_GATEWAY_URL": ""}, "set PAYMENT_GATEWAY_URL"),
        ({"EMAIL_URL": ""}, "set EMAIL_URL"),
        ({"TRUSTED_PROXIES": "proxy"}, "'proxy' does not appear to be an IPv4 or IPv6 network"),
        ({"BROKER_URL": "confluentkafka://kafka:9092"}, "Celery cannot use Kafka"),
        (
            {"BROKER_URL": "kafka:9092"},
            "BROKER_URL begins with 'kafka': set a URL with redis:// (also for Valkey), rediss://, amqp:// or amqps://",
        ),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4318"}, "OTEL_EXPORTER_OTLP_ENDPOINT must be the http://"),
        ({"OTEL_TRACES_SAMPLER_ARG": "5"}, "set it to the share of traces to record, from 0 to 1"),
        ({"TRACE_URL": "https://traces.example/trace"}, "with {trace_id} once in it"),
        ({"TRACE_URL": "javascript:alert({trace_id})"}, "TRACE_URL must be an http:// or https:// address"),
        ({"ENVIRONMENT": "staging"}, "must be production, development, stack or test"),
    ],
)
def test_production_says_what_it_misses(changed, complaint):
    run = check(**changed)
    assert run.returncode != 0
    assert complaint in run.stderr


def test_the_old_name_of_a_variable_is_read_with_a_warning():
    program = "from django.conf import settings; print(settings.RELAY_LINGER, settings.RELAY_MAX_QUEUE_DEPTH)"
    old = {"RELAY_PACE": "0.25", "RELAY_GATE": "7", "DJANGO_SETTINGS_MODULE": "orderproject.settings"}
    environment = {"PATH": os.environ["PATH"], **PRODUCTION, **old}
    command = [sys.executable, "-c", program]
    run = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["0.25", "7"]
    assert "RELAY_PACE is now called RELAY_LINGER" in run.stderr
    assert "RELAY_GATE is now called RELAY_MAX_QUEUE_DEPTH" in run.stderr
