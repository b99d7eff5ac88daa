"""The clients against a server that is a few lines long, and the orders that they place."""

import socket
import threading
from collections.abc import Callable

import msgspec
import pytest

from bench.load import Clients, request
from bench.orders import FLASH, LINES, bodies, calls
from bench.scenarios.percentiles import percentile

CREATED = b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}"
REFUSED = b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n"
REQUESTS = [request("/orders/", "localhost", "token", b'{"n": %d}' % number) for number in range(20)]


class Server:
    """Answers each request by `answer(number of the request)`; None closes the connection instead."""

    def __init__(self, answer: Callable[[int], bytes | None]) -> None:
        self.answer = answer
        self.keys: list[bytes] = []
        self.lock = threading.Lock()
        self.listening = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def address(self) -> tuple[str, int]:
        return ("127.0.0.1", int(self.listening.getsockname()[1]))

    def _accept(self) -> None:
        while True:
            connection, _ = self.listening.accept()
            threading.Thread(target=self._serve, args=[connection], daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as lines:
            while lines.readline():
                head = dict(line.rstrip(b"\r\n").split(b": ", 1) for line in iter(lines.readline, b"\r\n"))
                lines.read(int(head[b"Content-Length"]))
                with self.lock:
                    self.keys.append(head[b"Idempotency-Key"])
                    answer = self.answer(len(self.keys))
                if answer is None:
                    return
                for byte in (answer[:30], answer[30:]):
                    connection.sendall(byte)


def test_every_request_is_answered_once_and_has_a_key_of_its_own():
    server = Server(lambda _: CREATED)
    result = Clients(server.address, 4).run(REQUESTS)
    assert len(set(server.keys)) == len(server.keys) == len(result.taken_ms) == len(REQUESTS)
    assert result.failures == {}
    assert result.began < result.ended


def test_a_lost_connection_is_asked_again_under_the_same_key():
    server = Server(lambda number: None if number == 5 else CREATED)
    result = Clients(server.address, 3).run(REQUESTS)
    assert result.failures == {}
    assert len(server.keys) == len(REQUESTS) + 1
    assert len(set(server.keys)) == len(REQUESTS)


def test_a_refusal_is_a_failure():
    server = Server(lambda number: REFUSED if number <= 3 else CREATED)
    assert Clients(server.address, 2).run(REQUESTS).failures == {"429": 3}


def test_a_rate_is_kept():
    server = Server(lambda _: CREATED)
    result = Clients(server.address, 2, rate=100).run(REQUESTS)
    assert result.ended - result.began >= (len(REQUESTS) - 1) / 100


def test_orders_are_the_same_in_every_run():
    assert list(bodies("spread", 5)) == list(bodies("spread", 5))
    orders = [msgspec.json.decode(body) for body in bodies("spread", 50)]
    assert all([item["quantity"] for item in order["items"]] == [1, 2] for order in orders)
    assert all(len({item["sku"] for item in order["items"]}) == 2 for order in orders)


@pytest.mark.parametrize(
    ("kind", "token", "lines"),
    [("flash", "tok_visa", 1), ("large", "tok_visa", LINES), ("slow", "tok_slow", 2)],
)
def test_kinds_of_orders(kind: str, token: str, lines: int):
    (order,) = [msgspec.json.decode(body) for body in bodies(kind, 1)]
    assert (order["paymentToken"], len({item["sku"] for item in order["items"]})) == (token, lines)
    assert kind != "flash" or order["items"][0]["sku"] == FLASH


def test_half_of_the_cards_are_declined():
    tokens = [msgspec.json.decode(body)["paymentToken"] for body in bodies("declined", 10)]
    assert tokens.count("tok_declined") == 5


def test_a_bulk_call_has_a_key_for_each_order():
    found = [msgspec.json.decode(call)["orders"] for call in calls("spread", 7, 3)]
    assert [len(orders) for orders in found] == [3, 3, 1]
    assert len({order["idempotencyKey"] for orders in found for order in orders}) == 7


def test_percentiles_are_values_that_were_measured():
    assert percentile([3.0, 1.0, 2.0, 4.0], 0.5) == 2.0
    assert percentile(list(map(float, range(1, 101))), 0.99) == 99.0
    assert percentile([], 0.5) == 0.0
