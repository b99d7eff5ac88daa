"""The sandbox's ledger in SQLite: authorizations, and one operation per idempotency key."""

import sqlite3
from decimal import Decimal
from pathlib import Path

import msgspec

SCHEMA = """
CREATE TABLE IF NOT EXISTS authorizations (
    id TEXT NOT NULL UNIQUE,
    key TEXT NOT NULL UNIQUE,
    token TEXT NOT NULL,
    amount TEXT NOT NULL,
    currency TEXT NOT NULL,
    reference TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('authorized', 'captured', 'voided')),
    refunded TEXT NOT NULL DEFAULT '0'
);
CREATE INDEX IF NOT EXISTS authorizations_by_reference ON authorizations (reference);
CREATE TABLE IF NOT EXISTS operations (
    key TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    fingerprint BLOB NOT NULL,
    requests INTEGER NOT NULL,
    status INTEGER,
    body BLOB,
    authorization_id TEXT,
    reference TEXT,
    amount TEXT
);
CREATE TABLE IF NOT EXISTS voided_keys (key TEXT PRIMARY KEY) WITHOUT ROWID;
"""


class AuthorizationRow(msgspec.Struct, frozen=True, rename="camel"):
    """A row of `authorizations`; the fields are in the sequence of its columns."""

    id: str
    key: str
    token: str
    amount: str
    currency: str
    reference: str
    status: str
    refunded: str


class OperationRow(msgspec.Struct, frozen=True, rename="camel"):
    """A row of `operations`. `status` is None until there is a final answer; `requests` counts the requests."""

    key: str
    kind: str
    requests: int
    status: int | None
    authorization_id: str | None
    reference: str | None
    amount: str | None


class Seen(msgspec.Struct, frozen=True):
    fingerprint: bytes
    requests: int
    status: int | None
    body: bytes | None


class Ledger:
    """One SQLite connection. Writes survive `kill -9` only after `commit` has returned."""

    def __init__(self, path: Path | str) -> None:
        # A gateway that the main thread creates can be used in the thread of its event loop.
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode = WAL")
        # A commit reaches the operating system and so survives a killed process; only a power cut can damage
        # the file. Waiting for the disk at checkpoints would make one request in a hundred several times slower.
        self._db.execute("PRAGMA synchronous = OFF")
        self._db.executescript(SCHEMA)

    def begin(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        self._db.execute("COMMIT")

    def rollback(self) -> None:
        self._db.rollback()

    def close(self) -> None:
        self._db.close()

    def seen(self, key: str) -> Seen | None:
        row = self._db.execute(
            "SELECT fingerprint, requests, status, body FROM operations WHERE key = ?", (key,)
        ).fetchone()
        return row and Seen(*row)

    def count_request(self, key: str) -> None:
        self._db.execute("UPDATE operations SET requests = requests + 1 WHERE key = ?", (key,))

    def record(self, operation: OperationRow, fingerprint: bytes, body: bytes | None) -> None:
        """Write the outcome of a request. It overwrites earlier outcomes of its key that were not final."""
        self._db.execute(
            "INSERT INTO operations"
            " (key, kind, requests, status, authorization_id, reference, amount, fingerprint, body)"
            " VALUES (?, ?, 1, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (key) DO UPDATE SET requests = requests + 1, status = excluded.status,"
            " authorization_id = excluded.authorization_id, reference = excluded.reference,"
            " amount = excluded.amount, body = excluded.body",
            (
                operation.key,
                operation.kind,
                operation.status,
                operation.authorization_id,
                operation.reference,
                operation.amount,
                fingerprint,
                body,
            ),
        )

    def add_authorization(self, row: AuthorizationRow) -> None:
        self._db.execute("INSERT INTO authorizations VALUES (?, ?, ?, ?, ?, ?, ?, ?)", msgspec.structs.astuple(row))

    def authorization(self, authorization_id: str) -> AuthorizationRow | None:
        row = self._db.execute("SELECT * FROM authorizations WHERE id = ?", (authorization_id,)).fetchone()
        return row and AuthorizationRow(*row)

    def authorization_by_key(self, key: str) -> AuthorizationRow | None:
        row = self._db.execute("SELECT * FROM authorizations WHERE key = ?", (key,)).fetchone()
        return row and AuthorizationRow(*row)

    def set_status(self, authorization_id: str, status: str) -> None:
        self._db.execute("UPDATE authorizations SET status = ? WHERE id = ?", (status, authorization_id))

    def set_refunded(self, authorization_id: str, refunded: Decimal) -> None:
        self._db.execute("UPDATE authorizations SET refunded = ? WHERE id = ?", (str(refunded), authorization_id))

    def void_key(self, key: str) -> None:
        self._db.execute("INSERT INTO voided_keys (key) VALUES (?) ON CONFLICT DO NOTHING", (key,))

    def is_voided(self, key: str) -> bool:
        return self._db.execute("SELECT 1 FROM voided_keys WHERE key = ?", (key,)).fetchone() is not None

    def authorizations(self, reference: str | None = None) -> list[AuthorizationRow]:
        """Authorizations with this reference, or all of them without one; oldest first."""
        if reference is None:
            rows = self._db.execute("SELECT * FROM authorizations ORDER BY rowid")
        else:
            rows = self._db.execute("SELECT * FROM authorizations WHERE reference = ? ORDER BY rowid", (reference,))
        return [AuthorizationRow(*row) for row in rows]

    def operations(self) -> list[OperationRow]:
        rows = self._db.execute(
            "SELECT key, kind, requests, status, authorization_id, reference, amount FROM operations ORDER BY rowid"
        )
        return [OperationRow(*row) for row in rows]
