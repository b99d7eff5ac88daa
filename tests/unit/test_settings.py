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
        ({"SECRET_KEY": ""}, "SECRET_KEY must be set to a random text of at least 50 characters"),
        ({"SECRET_KEY": "short"}, "SECRET_KEY must be set"),
        ({"ALLOWED_HOSTS": ""}, "ALLOWED_HOSTS must name the hosts"),
        ({"PAYMENT_GATEWAY_URL": ""}, "PAYMENT_GATEWAY_URL must be set"),
        ({"EMAIL_URL": ""}, "EMAIL_URL must be set"),
        ({"TRUSTED_PROXIES": "proxy"}, "'proxy' does not appear to be an IPv4 or IPv6 network"),
        ({"BROKER_URL": "confluentkafka://kafka:9092"}, "Kafka is no broker for Celery"),
        (
            {"BROKER_URL": "kafka:9092"},
            "BROKER_URL begins with 'kafka'; it must be redis:// (Valkey too), rediss://, amqp://",
        ),
        ({"ENVIRONMENT": "staging"}, "must be production, stack or test"),
    ],
)
def test_production_says_what_it_misses(changed, complaint):
    run = check(**changed)
    assert run.returncode != 0
    assert complaint in run.stderr
