"""`python -m orderproject.live --host 127.0.0.1 --port 8001`: serves live streams until it is told to stop."""

import argparse
import resource
import sys

CONNECTIONS = 65_536


def allow_many_connections() -> None:
    """As many as the system lets us have; a shell's default is a thousand, or fewer."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = CONNECTIONS if hard == resource.RLIM_INFINITY else min(hard, CONNECTIONS)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m orderproject.live")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8001)
    options = parser.parse_args()

    from django.conf import settings

    from orderproject.asgi import application  # reads the settings
    from orderproject.live.server import LiveServer

    allow_many_connections()
    LiveServer(application, options.host, options.port, settings.LIVE_SOCKET).run()
    if application.broken:
        sys.stderr.write("live streams ended by an error\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
