"""The sandbox as a real process on a real port, and the gateway's HTTP adapter against it."""

import asyncio
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

import msgspec
import pytest

from payments.gateway import GatewayError, GatewayUnavailable
from payments.gateway.sandbox import SandboxGateway
from payments.sandbox.commands import VoidKey
from payments.sandbox.commits import GroupCommit
from payments.sandbox.faults import Faults
from payments.sandbox.ledger import AuthorizationRow, Ledger, OperationRow
from payments.sandbox.service import Sandbox
from tests.unit.test_gateway import TIMEOUT, VISA, Books, GatewayContract, Run, charge, fresh

ROOT = Path(__file__).parents[2]
AUTHORIZATIONS = "/v1/authorizations"


class Reply(NamedTuple):
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        return str(self.json["error"]["code"])


class SandboxProcess:
    def __init__(self, data: Path, *options: str, api_key: str = "") -> None:
        self._command = [
            sys.executable,
            "-m",
            "payments.sandbox",
            "--port",
            "0",
            "--data",
            str(data),
            *options,
        ]
        self._environment = os.environ | {"SANDBOX_API_KEY": api_key}
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            self._command, cwd=ROOT, env=self._environment, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout
        self.url = self.process.stdout.readline().split()[-1]
        self.port = int(self.url.rsplit(":", 1)[1])

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        code = self.process.wait(timeout=5)
        assert self.process.stdout
        self.process.stdout.close()
        return code

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Reply:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=3)
        try:
            connection.request(method, path, body, {name.replace("_", "-"): headers[name] for name in headers})
            response = connection.getresponse()
            return Reply(response.status, response.headers, response.read())
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Reply:
        return self.ask("GET", path, None, **headers)

    def post(self, path: str, body: Any, key: str, **headers: str) -> Reply:
        return self.ask("POST", path, json.dumps(body).encode(), Idempotency_Key=key, **headers)

    def authorize(self, key: str, token: str = VISA, reference: str = "order-1") -> Reply:
        body = {"token": token, "amount": "19.99", "currency": "EUR", "reference": reference}
        return self.post(AUTHORIZATIONS, body, key)

    def control(self, switch: str, **state: bool | int) -> Reply:
        return self.ask("POST", f"/control/{switch}", json.dumps(state).encode())


class SandboxBooks(Books):
    def __init__(self, sandbox: SandboxProcess) -> None:
        self._sandbox = sandbox

    def authorizations(self, reference: str) -> list[AuthorizationRow]:
        body = self._sandbox.get(f"{AUTHORIZATIONS}?{urlencode({'reference': reference})}").json
        return msgspec.convert(body["authorizations"], list[AuthorizationRow])

    def operations(self) -> list[OperationRow]:
        return msgspec.convert(self._sandbox.get("/v1/operations").json["operations"], list[OperationRow])

    def outage(self, on: bool) -> None:
        self._sandbox.control("outage", on=on)

    def latency(self, ms: int) -> None:
        self._sandbox.control("latency", ms=ms)

    def act_then_hang(self, on: bool | int) -> None:
        self._sandbox.control("act-then-hang", on=on)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    process = SandboxProcess(tmp_path_factory.mktemp("sandbox") / "books.sqlite3")
    yield process
    process.stop()


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    process = SandboxProcess(tmp_path_factory.mktemp("locked") / "books.sqlite3", api_key="s3cret")
    yield process
    process.stop()


@pytest.fixture
def sandbox(shared: SandboxProcess) -> Iterator[SandboxProcess]:
    """The module's server, with every switch turned back afterwards."""
    yield shared
    SandboxBooks(shared).outage(False)
    SandboxBooks(shared).latency(0)
    SandboxBooks(shared).act_then_hang(False)


@pytest.fixture
def own(tmp_path: Path) -> Iterator[SandboxProcess]:
    """A server that a test may kill."""
    process = SandboxProcess(tmp_path / "deep" / "books.sqlite3")
    yield process
    if process.process.poll() is None:
        process.stop(signal.SIGKILL)


class TestSandboxGateway(GatewayContract):
    @pytest.fixture
    def gateway(self, run: Run[None], sandbox: SandboxProcess) -> Iterator[SandboxGateway]:
        gateway = SandboxGateway(sandbox.url + "/", timeout=TIMEOUT)
        yield gateway
        run(gateway.aclose())

    @pytest.fixture
    def books(self, sandbox: SandboxProcess) -> Books:
        return SandboxBooks(sandbox)


@contextmanager
def talking(answer: bytes) -> Iterator[str]:
    """The address of a server that reads one request, says `answer` and hangs up."""

    def serve() -> None:
        client, _ = listener.accept()
        with client:
            client.recv(65536)
            client.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread.join(timeout=2)


def authorize_once(url: str, token: str = VISA, **options: Any) -> None:
    async def call() -> None:
        gateway = SandboxGateway(url, **options)
        try:
            await gateway.authorize(charge(token), fresh("auth"))
        finally:
            await gateway.aclose()

    asyncio.run(call())


class TestGatewayAgainstBrokenServers:
    def test_nobody_listens(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            with pytest.raises(GatewayUnavailable):
                authorize_once(f"http://127.0.0.1:{free.getsockname()[1]}")

    @pytest.mark.skipif(sys.platform != "linux", reason="a full backlog drops connections on Linux only")
    def test_a_connection_that_never_opens_is_given_up_in_time(self):
        with socket.socket() as full, socket.socket() as first, socket.socket() as second:
            full.bind(("127.0.0.1", 0))
            full.listen(0)
            for client in (first, second):
                client.setblocking(False)
                client.connect_ex(full.getsockname())
            started = time.monotonic()
            with pytest.raises(GatewayUnavailable):
                authorize_once(f"http://127.0.0.1:{full.getsockname()[1]}", timeout=3, connect_timeout=0.2)
            assert 0.15 < time.monotonic() - started < 0.6

    def test_waiting_for_a_free_connection_counts_as_waiting(self, sandbox):
        async def crowd() -> list[Any]:
            gateway = SandboxGateway(sandbox.url, timeout=TIMEOUT, max_connections=1)
            calls = [gateway.authorize(charge("tok_timeout"), fresh("auth")) for _ in range(3)]
            outcomes = await asyncio.gather(*calls, return_exceptions=True)
            await gateway.aclose()
            return outcomes

        started = time.monotonic()
        assert [type(outcome) for outcome in asyncio.run(crowd())] == [GatewayUnavailable] * 3
        assert time.monotonic() - started < TIMEOUT * 2

    @pytest.mark.parametrize(
        "answer",
        [
            b"",
            b'HTTP/1.1 201 Created\r\nContent-Length: 99\r\n\r\n{"id": "auth_',
            b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}",
            b"SSH-2.0-OpenSSH_9.2\r\n",
        ],
        ids=["hangs-up", "cut-short", "names-no-id", "not-http"],
    )
    def test_an_unusable_answer_is_unknown(self, answer):
        with talking(answer) as url, pytest.raises(GatewayUnavailable):
            authorize_once(url)

    def test_a_redirect_is_not_followed(self):
        redirect = b"HTTP/1.1 307 Moved\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"
        with talking(redirect) as url, pytest.raises(GatewayError, match="307"):
            authorize_once(url)

    def test_a_wrong_address_is_a_bug(self):
        with pytest.raises(GatewayError, match="not a valid URL"):
            authorize_once("not a url")

    def test_one_loop_in_a_background_thread_serves_many_threads(self, sandbox):
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever)
        thread.start()
        gateway = SandboxGateway(sandbox.url)
        calls = [asyncio.run_coroutine_threadsafe(gateway.authorize(charge(), fresh("auth")), loop) for _ in range(200)]
        assert len({call.result(timeout=5).id for call in calls}) == 200
        asyncio.run_coroutine_threadsafe(gateway.aclose(), loop).result(timeout=5)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


class TestApiKey:
    def test_the_right_key_opens(self, locked):
        authorize_once(locked.url, api_key="s3cret")
        assert locked.get("/v1/operations", Authorization="Bearer s3cret").status == 200

    @pytest.mark.parametrize("key", ["", "wrong"])
    def test_a_wrong_key_is_a_bug(self, locked, key):
        with pytest.raises(GatewayError, match="401"):
            authorize_once(locked.url, api_key=key)

    def test_health_needs_none(self, locked):
        assert locked.get("/healthz").json == {"status": "ok"}


class TestWire:
    """What the adapter does not show."""

    def test_an_authorization(self, sandbox):
        reference = fresh("order")
        reply = sandbox.authorize(fresh("auth"), reference=reference)
        assert reply.status == 201
        assert reply.headers["Content-Type"] == "application/json"
        assert "Idempotency-Replayed" not in reply.headers
        body = reply.json
        assert body.pop("id").startswith("auth_")
        assert body == {"status": "authorized", "amount": "19.99", "currency": "EUR", "reference": reference}

    def test_a_replay_is_marked_and_equal_byte_for_byte(self, sandbox):
        key = fresh("auth")
        first, second = sandbox.authorize(key), sandbox.authorize(key)
        assert (second.status, second.body) == (201, first.body)
        assert second.headers["Idempotency-Replayed"] == "true"

    def test_a_key_is_bound_to_its_body_whatever_its_spelling(self, sandbox):
        key = fresh("auth")
        sandbox.authorize(key)
        spaced = b' {"reference": "order-1",  "currency": "EUR", "amount": "19.99", "token": "tok_\\u0076isa"}'
        assert sandbox.ask("POST", AUTHORIZATIONS, spaced, Idempotency_Key=key).status == 201
        reused = sandbox.authorize(key, reference="order-2")
        assert (reused.status, reused.code) == (422, "idempotency_key_reused")

    def test_a_key_is_bound_to_its_path(self, sandbox):
        key = fresh("auth")
        authorization_id = sandbox.authorize(key).json["id"]
        assert sandbox.post(f"{AUTHORIZATIONS}/{authorization_id}/capture", {}, key).status == 422

    def test_capture_refund_and_void(self, sandbox):
        captured, voided = (sandbox.authorize(fresh("auth")).json["id"] for _ in range(2))
        reply = sandbox.post(f"{AUTHORIZATIONS}/{captured}/capture", {}, fresh("capture"))
        assert (reply.status, reply.json["status"]) == (200, "captured")
        reply = sandbox.post(f"{AUTHORIZATIONS}/{captured}/refunds", {"amount": "1.00"}, fresh("refund"))
        assert (reply.status, reply.json["id"][:3], reply.json["amount"]) == (201, "re_", "1.00")
        for _ in range(2):
            reply = sandbox.post(f"{AUTHORIZATIONS}/{voided}/void", {}, fresh("void"))
            assert (reply.status, reply.json["status"]) == (200, "voided")
        late = sandbox.post(f"{AUTHORIZATIONS}/{voided}/capture", {}, fresh("capture"))
        assert (late.status, late.code) == (409, "voided")

    def test_a_capture_needs_no_body(self, sandbox):
        authorization_id = sandbox.authorize(fresh("auth")).json["id"]
        path = f"{AUTHORIZATIONS}/{authorization_id}/capture"
        assert sandbox.ask("POST", path, Idempotency_Key=fresh("capture")).status == 200

    def test_the_operations_tell_the_whole_story(self, sandbox):
        reference = fresh("order")
        authorize_key, capture_key, refund_key = fresh("auth"), fresh("capture"), fresh("refund")
        authorization_id = sandbox.authorize(authorize_key, reference=reference).json["id"]
        sandbox.authorize(authorize_key, reference=reference)
        sandbox.post(f"{AUTHORIZATIONS}/{authorization_id}/capture", {}, capture_key)
        sandbox.post(f"{AUTHORIZATIONS}/{authorization_id}/refunds", {"amount": "1.00"}, refund_key)
        rows = [row for row in sandbox.get("/v1/operations").json["operations"] if row["reference"] == reference]
        common = {"authorizationId": authorization_id, "reference": reference}
        assert rows == [
            {"key": authorize_key, "kind": "authorize", "requests": 2, "status": 201, "amount": "19.99"} | common,
            {"key": capture_key, "kind": "capture", "requests": 1, "status": 200, "amount": "19.99"} | common,
            {"key": refund_key, "kind": "refund", "requests": 1, "status": 201, "amount": "1.00"} | common,
        ]

    def test_the_controls_show_their_state(self, sandbox):
        state = sandbox.control("latency", ms=1).json
        assert state.pop("turnedAway") >= 0
        assert state == {
            "outage": False,
            "latencyMs": 1,
            "actThenHang": False,
        }
        assert sandbox.control("act-then-hang", on=2).json["actThenHang"] == 2

    def test_latency_delays_the_answer(self, sandbox):
        sandbox.control("latency", ms=200)
        started = time.monotonic()
        assert sandbox.authorize(fresh("auth")).status == 201
        assert time.monotonic() - started >= 0.2

    def test_an_outage_spares_health_and_controls_only(self, sandbox):
        sandbox.control("outage", on=True)
        for path in ("/v1/operations", AUTHORIZATIONS, "/v1/nonsense"):
            assert sandbox.get(path).status == 503
        assert sandbox.authorize(fresh("auth")).code == "unavailable"
        assert sandbox.get("/healthz").status == 200
        assert sandbox.control("outage", on=False).status == 200


class TestMalformed:
    """Each is refused with a 4xx, and the server goes on."""

    @pytest.fixture(autouse=True)
    def still_alive(self, sandbox: SandboxProcess) -> Iterator[None]:
        yield
        assert sandbox.authorize(fresh("auth")).status == 201

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"{",
            b"null",
            b"[1]",
            b'"text"',
            b"\xff\xfe",
            b'{"token": "\xff"}',
            b'{"token": "\\ud800", "amount": "1", "currency": "EUR", "reference": "r"}',
            b"[" * 60_000,
            b'{"a":' * 10_000,
            b'{"token": "tok_visa", "amount": 19.99, "currency": "EUR", "reference": "r"}',
            b'{"token": "tok_visa", "amount": "19,99", "currency": "EUR", "reference": "r"}',
            b'{"token": "tok_visa", "amount": "1\\n", "currency": "EUR", "reference": "r"}',
            b'{"token": "tok_visa", "amount": "0.00", "currency": "EUR", "reference": "r"}',
            b'{"token": "tok_visa", "amount": "1", "currency": "eur", "reference": "r"}',
            b'{"token": "tok_visa", "amount": "1", "currency": "EUR", "reference": ""}',
            b'{"token": "tok_visa", "amount": "1", "currency": "EUR"}',
            b'{"token": "tok_visa", "amount": "1", "currency": "EUR", "reference": "r", "surprise": 1}',
        ],
    )
    def test_a_body(self, sandbox, body):
        reply = sandbox.ask("POST", AUTHORIZATIONS, body, Idempotency_Key=fresh("auth"))
        assert (reply.status, reply.code) == (400, "invalid_request")

    def test_a_body_of_more_than_64_kib(self, sandbox):
        body = b" " * (64 * 1024 + 1)
        assert sandbox.ask("POST", AUTHORIZATIONS, body, Idempotency_Key=fresh("auth")).status == 413

    @pytest.mark.parametrize("key", [None, "", " ", "k" * 256, "\u00e4", "a\tb"])
    def test_a_key(self, sandbox, key):
        headers = {} if key is None else {"Idempotency_Key": key}
        reply = sandbox.ask("POST", AUTHORIZATIONS, b"{}", **headers)
        assert (reply.status, reply.code) == (400, "invalid_request")

    @pytest.mark.parametrize(
        ("method", "path", "status"),
        [
            ("POST", "/v2/authorizations", 404),
            ("GET", "/", 404),
            ("DELETE", AUTHORIZATIONS, 405),
            ("GET", "/v1/void", 405),
            ("GET", "/control/outage", 405),
        ],
    )
    def test_a_path_or_method(self, sandbox, method, path, status):
        reply = sandbox.ask(method, path)
        assert (reply.status, reply.code) == (status, "invalid_request")

    @pytest.mark.parametrize(
        ("switch", "state"),
        [
            ("outage", {"on": 1}),
            ("outage", {}),
            ("latency", {"ms": -1}),
            ("latency", {"ms": True}),
            ("act-then-hang", {"on": -1}),
            ("act-then-hang", {"on": "yes"}),
        ],
    )
    def test_a_control(self, sandbox, switch, state):
        assert sandbox.control(switch, **state).status == 400

    @pytest.mark.parametrize(
        "request_bytes",
        [
            b"nonsense\r\n\r\n",
            b"\x16\x03\x01\x00\xa5\x01\x00\x00",
            b"POST /v1/void HTTP/1.1\r\nHost: x\r\nContent-Length: minus\r\n\r\n",
            b"POST /v1/void HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
            b"POST /v1/void HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 100_000 + b"\r\n\r\n",
        ],
        ids=["not-http", "tls", "bad-length", "two-lengths", "bad-chunk", "long-header"],
    )
    def test_http(self, sandbox, request_bytes):
        with socket.create_connection(("127.0.0.1", sandbox.port), timeout=2) as client:
            client.sendall(request_bytes)
            assert client.recv(4096).startswith((b"HTTP/1.1 400", b"HTTP/1.0 400"))

    def test_a_client_that_leaves_in_mid_request(self, sandbox):
        with socket.create_connection(("127.0.0.1", sandbox.port), timeout=2) as client:
            client.sendall(b"POST /v1/void HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n{")


class TestGroupCommit:
    @pytest.fixture
    def ledger(self, tmp_path: Path) -> Iterator[Ledger]:
        ledger = Ledger(tmp_path / "books.sqlite3")
        yield ledger
        ledger.close()

    def committed(self, tmp_path: Path, *keys: str) -> list[bool]:
        """Which keys another connection sees as voided."""
        other = Ledger(tmp_path / "books.sqlite3")
        try:
            return [other.is_voided(key) for key in keys]
        finally:
            other.close()

    def test_a_result_comes_after_its_commit(self, ledger, tmp_path):
        async def work() -> None:
            commits = GroupCommit(ledger)
            first = asyncio.create_task(commits.run(lambda: ledger.void_key("a")))
            second = asyncio.create_task(commits.run(lambda: ledger.void_key("b")))
            await first
            assert self.committed(tmp_path, "a", "b") == [True, True]
            await second

        asyncio.run(work())

    def test_work_that_raises_takes_its_group_back_and_the_next_group_works(self, ledger, tmp_path):
        def fails() -> None:
            ledger.void_key("b")
            raise RuntimeError

        async def work() -> None:
            commits = GroupCommit(ledger)
            outcomes = await asyncio.gather(
                commits.run(lambda: ledger.void_key("a")), commits.run(fails), return_exceptions=True
            )
            assert [type(outcome) for outcome in outcomes] == [RuntimeError, RuntimeError]
            await commits.run(lambda: ledger.void_key("c"))

        asyncio.run(work())
        assert self.committed(tmp_path, "a", "b", "c") == [False, False, True]

    def test_a_caller_that_leaves_takes_nothing_back(self, ledger, tmp_path):
        async def work() -> None:
            commits = GroupCommit(ledger)
            leaves = asyncio.create_task(commits.run(lambda: ledger.void_key("a")))
            stays = asyncio.create_task(commits.run(lambda: ledger.void_key("b")))
            await asyncio.sleep(0)
            leaves.cancel()
            await stays

        asyncio.run(work())
        assert self.committed(tmp_path, "a", "b") == [True, True]

    def test_books_that_cannot_be_written_are_an_unknown_outcome(self, ledger):
        sandbox = Sandbox(ledger, Faults())
        ledger.begin()  # so that the group's own BEGIN fails
        answer = asyncio.run(sandbox.act("key", VoidKey("other")))
        assert answer
        assert answer.status == 503
        ledger.rollback()
        answer = asyncio.run(sandbox.act("key", VoidKey("other")))
        assert answer
        assert answer.status == 200


class TestLife:
    def test_what_was_answered_survives_a_kill(self, own):
        reference = fresh("order")
        kept, captured = (
            own.authorize("key-1", reference=reference),
            own.authorize("key-2", reference=reference),
        )
        path = f"{AUTHORIZATIONS}/{captured.json['id']}"
        own.post(f"{path}/capture", {}, "key-3")
        refund = own.post(f"{path}/refunds", {"amount": "5.00"}, "key-4")
        own.post("/v1/void", {"authorizationKey": "key-5"}, "key-6")
        assert own.authorize("key-7", "tok_flaky").status == 503
        own.stop(signal.SIGKILL)
        own.start()
        assert own.authorize("key-1", reference=reference).body == kept.body
        assert own.post(f"{path}/refunds", {"amount": "5.00"}, "key-4").body == refund.body
        assert own.authorize("key-5").code == "voided"
        assert [own.authorize("key-7", "tok_flaky").status for _ in range(2)] == [503, 201]
        books = SandboxBooks(own).authorizations(reference)
        assert [(row.status, row.refunded) for row in books] == [("authorized", "0"), ("captured", "5.00")]

    def test_a_kill_under_load_loses_no_answer_and_doubles_nothing(self, own):
        answered: dict[str, str] = {}

        async def flood() -> None:
            gateway = SandboxGateway(own.url, timeout=1.0)

            async def customer(number: int) -> None:
                for order in range(1000):
                    key = f"{number}-{order}"
                    answered[key] = (await gateway.authorize(charge(reference="flood"), key)).id

            customers = [asyncio.create_task(customer(number)) for number in range(20)]
            while len(answered) < 500:
                await asyncio.sleep(0.005)
            own.process.kill()
            outcomes = await asyncio.gather(*customers, return_exceptions=True)
            await gateway.aclose()
            assert {type(outcome) for outcome in outcomes} == {GatewayUnavailable}

        asyncio.run(flood())
        own.stop(signal.SIGKILL)
        own.start()
        kept = {row.key: row.id for row in SandboxBooks(own).authorizations("flood")}
        assert answered.items() <= kept.items()
        assert len(kept) <= len(answered) + 20

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_it_stops_at_once_even_while_a_client_hangs(self, own, number):
        with socket.create_connection(("127.0.0.1", own.port), timeout=2) as client:
            body = b'{"token":"tok_timeout","amount":"1","currency":"EUR","reference":"r"}'
            head = f"POST {AUTHORIZATIONS} HTTP/1.1\r\nHost: x\r\nIdempotency-Key: k\r\n"
            client.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            while not SandboxBooks(own).operations():
                time.sleep(0.01)
            started = time.monotonic()
            assert own.stop(number) == 0
            assert time.monotonic() - started < 1.5
            assert client.recv(1) == b""

    def test_a_taken_port_is_refused_in_words(self, sandbox, tmp_path):
        command = [sys.executable, "-m", "payments.sandbox", "--port", str(sandbox.port)]
        second = subprocess.run(
            [*command, "--data", str(tmp_path / "b.sqlite3")],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert second.returncode == 1
        assert second.stderr.startswith("The payment sandbox cannot start:")
        assert "Traceback" not in second.stderr

    def test_a_hanging_client_that_leaves_is_forgotten(self, sandbox):
        descriptors = Path(f"/proc/{sandbox.process.pid}/fd")
        if not descriptors.exists():
            pytest.skip("needs /proc")
        before = len(list(descriptors.iterdir()))
        with pytest.raises(GatewayUnavailable):
            authorize_once(sandbox.url, token="tok_timeout", timeout=TIMEOUT)
        deadline = time.monotonic() + 2
        while len(list(descriptors.iterdir())) > before and time.monotonic() < deadline:
            time.sleep(0.02)
        assert len(list(descriptors.iterdir())) <= before
