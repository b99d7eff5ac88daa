"""`python -m orderproject.live --host 127.0.0.1 --port 8001`: serves live streams until SIGTERM or SIGINT."""

import argparse
import resource
import sys

CONNECTIONS = 65_536


def allow_many_connections() -> None:
    """Raises the limit of open files, whose default in a shell is a thousand or fewer."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = CONNECTIONS if hard == resource.RLIM_INFINITY else min(hard, CONNECTIONS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m orderproject.live")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8001)
    options = parser.parse_args()

    from orderproject.asgi import application  # reads the settings
    from orderproject.live.server import LiveServer

    allow_many_connections()
    LiveServer(application, options.host, options.port).run()
    if application.broken:
        sys.stderr.write("the live stream hub failed; see the log, then restart this process\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
