"""`python -m payments.sandbox --host 127.0.0.1 --port 8090 --data sandbox.sqlite3` starts the payment sandbox."""

import argparse
import asyncio
import os
import signal
import sqlite3
import sys
from pathlib import Path

from payments.sandbox.faults import Faults
from payments.sandbox.ledger import Ledger
from payments.sandbox.server import Server
from payments.sandbox.service import Sandbox


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "python -m payments.sandbox", description="Run a card processor for development and tests."
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8090, help="the port to listen on; 0 picks a free one")
    parser.add_argument("--data", type=Path, required=True, help="the SQLite file of the ledger")
    parser.add_argument(
        "--api-key",
        default=os.environ.get("SANDBOX_API_KEY", ""),
        help="the API key that clients must send; empty for none",
    )
    return parser.parse_args()


async def serve(options: argparse.Namespace) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    options.data.parent.mkdir(parents=True, exist_ok=True)
    ledger = Ledger(options.data)
    runner = await Server(Sandbox(ledger, Faults()), options.api_key).start(options.host, options.port)
    host, port = runner.addresses[0][:2]
    print(f"payment sandbox on http://{host}:{port}", flush=True)
    await stop.wait()
    await runner.cleanup()
    ledger.close()


def main() -> int:
    try:
        asyncio.run(serve(arguments()))
    except (OSError, sqlite3.Error) as error:
        print(f"The payment sandbox cannot start: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
