"""librdkafka's own mock cluster, with errors by request: what a healthy Kafka cannot be asked for.

confluent-kafka has no call for it, so these are librdkafka's C functions, from the library that confluent-kafka has
loaded. The cluster listens on loopback, speaks the real protocol, and keeps what is produced.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka import cimpl

PRODUCE = 0
"""The number of the request in Kafka's protocol."""
DISCONNECT = -195
"""In place of an error: the broker closes the connection."""
EVERY_BROKER = -1

_functions = ctypes.CDLL(cimpl.__file__)
_functions.rd_kafka_conf_new.restype = ctypes.c_void_p
_functions.rd_kafka_new.restype = ctypes.c_void_p
_functions.rd_kafka_new.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t]
_functions.rd_kafka_destroy.argtypes = [ctypes.c_void_p]
_functions.rd_kafka_mock_cluster_new.restype = ctypes.c_void_p
_functions.rd_kafka_mock_cluster_new.argtypes = [ctypes.c_void_p, ctypes.c_int]
_functions.rd_kafka_mock_cluster_destroy.argtypes = [ctypes.c_void_p]
_functions.rd_kafka_mock_cluster_bootstraps.restype = ctypes.c_char_p
_functions.rd_kafka_mock_cluster_bootstraps.argtypes = [ctypes.c_void_p]
_functions.rd_kafka_mock_topic_create.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_int]
_functions.rd_kafka_mock_push_request_errors_array.argtypes = [
    ctypes.c_void_p, ctypes.c_int16, ctypes.c_size_t, ctypes.POINTER(ctypes.c_int),
]  # fmt: skip
_functions.rd_kafka_mock_broker_set_rtt.argtypes = [ctypes.c_void_p, ctypes.c_int32, ctypes.c_int]
_functions.rd_kafka_mock_start_request_tracking.argtypes = [ctypes.c_void_p]
_functions.rd_kafka_mock_get_requests.restype = ctypes.POINTER(ctypes.c_void_p)
_functions.rd_kafka_mock_get_requests.argtypes = [ctypes.c_void_p, ctypes.POINTER(ctypes.c_size_t)]
_functions.rd_kafka_mock_request_api_key.restype = ctypes.c_int16
_functions.rd_kafka_mock_request_api_key.argtypes = [ctypes.c_void_p]
_functions.rd_kafka_mock_request_destroy_array.argtypes = [ctypes.POINTER(ctypes.c_void_p), ctypes.c_size_t]


class MockCluster:
    """A cluster of one broker."""

    def __init__(self, handle: int) -> None:
        self._handle = handle
        self.address = _functions.rd_kafka_mock_cluster_bootstraps(handle).decode()
        _functions.rd_kafka_mock_start_request_tracking(handle)

    def create(self, topic: str, partitions: int) -> None:
        assert _functions.rd_kafka_mock_topic_create(self._handle, topic.encode(), partitions, 1) == 0

    def answers(self, *errors: int) -> None:
        """Answers the next requests to produce with these errors, one each. A request is for one partition."""
        given = (ctypes.c_int * len(errors))(*errors)
        _functions.rd_kafka_mock_push_request_errors_array(self._handle, PRODUCE, len(errors), given)

    def requests(self) -> int:
        """How many requests to produce have come, with those that got an error."""
        count = ctypes.c_size_t()
        found = _functions.rd_kafka_mock_get_requests(self._handle, ctypes.byref(count))
        keys = [_functions.rd_kafka_mock_request_api_key(found[number]) for number in range(count.value)]
        _functions.rd_kafka_mock_request_destroy_array(found, count)
        return keys.count(PRODUCE)

    def answers_after(self, seconds: float) -> None:
        assert _functions.rd_kafka_mock_broker_set_rtt(self._handle, EVERY_BROKER, int(seconds * 1000)) == 0


@contextmanager
def cluster() -> Iterator[MockCluster]:
    """Lives as long as the block."""
    error = ctypes.create_string_buffer(500)
    client = _functions.rd_kafka_new(0, _functions.rd_kafka_conf_new(), error, len(error))
    assert client, error.value
    handle = _functions.rd_kafka_mock_cluster_new(client, 1)
    assert handle
    try:
        yield MockCluster(handle)
    finally:
        _functions.rd_kafka_mock_cluster_destroy(handle)
        _functions.rd_kafka_destroy(client)
