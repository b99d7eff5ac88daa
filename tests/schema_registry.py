"""A schema registry on loopback that speaks Confluent's API, as far as its clients for JSON Schema use it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

import jsonschema  # type: ignore[import-untyped]

from orderproject.stack.ports import HOST

Answer = tuple[int, dict[str, Any]]


@dataclass
class Registry:
    """What is registered, which survives `away`. Ids are those of schemas, not of subjects."""

    port: int = 0
    ids: dict[str, int] = field(default_factory=dict)
    subjects: dict[str, list[int]] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    refusing: int = 0
    """A status with which it refuses everything."""
    authorization: str = ""
    """The header of the last request."""

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def answer(self, method: str, path: str, body: Any) -> Answer:
        self.requests.append(f"{method} {path}")
        if self.refusing:
            return self.refusing, {"error_code": self.refusing, "message": "User is denied operation Write"}
        match method, path.strip("/").split("/"):
            case "POST", ["subjects", subject]:
                return self._found(subject, body["schema"])
            case "POST", ["subjects", subject, "versions"]:
                return self._registered(subject, body)
            case "GET", ["schemas", "ids", number]:
                return self._schema(int(number))
        return 404, {"error_code": 404, "message": "HTTP 404 Not Found"}

    def _found(self, subject: str, text: str) -> Answer:
        number, known = self.ids.get(text), self.subjects.get(subject)
        if known is None:
            return 404, {"error_code": 40401, "message": f"Subject '{subject}' not found."}
        if number not in known:
            return 404, {"error_code": 40403, "message": "Schema not found"}
        return 200, {"subject": subject, "id": number, "version": known.index(number) + 1, "schema": text}

    def _registered(self, subject: str, body: Any) -> Answer:
        try:
            assert body["schemaType"] == "JSON"
            jsonschema.validators.validator_for(schema := json.loads(body["schema"])).check_schema(schema)
        except (AssertionError, ValueError, jsonschema.SchemaError) as error:
            return 422, {"error_code": 42201, "message": f"Invalid schema: {error}"}
        number = self.ids.setdefault(body["schema"], len(self.ids) + 1)
        self.subjects.setdefault(subject, []).append(number)
        return 200, {"id": number}

    def _schema(self, number: int) -> Answer:
        for text, known in self.ids.items():
            if known == number:
                return 200, {"schema": text, "schemaType": "JSON"}
        return 404, {"error_code": 40403, "message": f"Schema {number} not found"}


@contextmanager
def serving(registry: Registry) -> Iterator[Registry]:
    """Answers for as long as the block; at its port, if it has been there before."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(None)

        def do_POST(self) -> None:
            self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def _answer(self, body: Any) -> None:
            registry.authorization = self.headers.get("Authorization", "")
            status, found = registry.answer(self.command, unquote(urlsplit(self.path).path), body)
            content = json.dumps(found).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/vnd.schemaregistry.v1+json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer((HOST, registry.port), Handler)
    registry.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield registry
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
