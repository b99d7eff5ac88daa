"""What a worker took and never acknowledged comes back to its queue; meanwhile rows have asked again long ago."""

from typing import Any

import pytest
from django.conf import settings
from redis import Redis

from orderproject.celery import app

pytestmark = pytest.mark.skipif(
    not app.conf.broker_url.startswith("redis"), reason="how kombu's Redis transport behaves"
)


@pytest.fixture
def server() -> Redis:
    server = Redis.from_url(settings.REDIS_URL)
    server.flushdb()
    return server


def test_the_visibility_timeout_is_the_same_in_all_three_places():
    places = {
        app.conf.visibility_timeout,
        app.conf.broker_transport_options["visibility_timeout"],
        app.conf.result_backend_transport_options["visibility_timeout"],
    }
    assert places == {settings.VISIBILITY_TIMEOUT}


def test_a_message_whose_worker_was_killed_goes_back_to_its_queue(server: Redis):
    app.send_task("sagas.sweep", ignore_result=True)
    with app.connection_for_read() as connection:
        channel: Any = connection.default_channel
        channel.queue_declare("streams")
        assert channel.basic_get("streams") is not None
        assert (server.llen("streams"), server.hlen("unacked")) == (0, 1)
        age(server, settings.VISIBILITY_TIMEOUT + 1)
        channel.qos.restore_visible(interval=1)
        assert (server.llen("streams"), server.hlen("unacked")) == (1, 0)
        channel.qos._delivered.clear()  # as one who was killed it hands back nothing itself
    server.flushdb()


def age(server: Any, seconds: float) -> None:
    for tag in server.zrange("unacked_index", 0, -1):
        server.zincrby("unacked_index", -seconds, tag)


def test_a_worker_looks_for_such_messages_within_two_minutes():
    """kombu itself looks at every tenth of these intervals."""
    assert app.conf.broker_transport_options["unacked_restore_interval"] * 10 <= 120
