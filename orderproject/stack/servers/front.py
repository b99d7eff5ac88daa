"""nginx in front of web, live and Flower. Its configuration is in `deploy/nginx`, for `docker-compose.yml` too."""

from __future__ import annotations

import os
import signal

from orderproject.stack.deployment import Deployment
from orderproject.stack.ports import HOST
from orderproject.stack.probes import answers_http
from orderproject.stack.processes import PROJECT, ProcessSpec
from orderproject.stack.servers import binaries
from orderproject.stack.servers.folders import own_folder
from orderproject.stack.servers.identity import server_identity

START = PROJECT / "deploy" / "nginx" / "front.sh"
LIMITS = ("CONNECTION_LIMIT", "STREAM_LIMIT")
ALIVE = "/livez/front"
"""The path that nginx answers itself. `/livez` is the path of web."""


def front(at: Deployment) -> ProcessSpec:
    """Creates the folder of nginx, which belongs to the user that nginx runs as."""
    program = binaries.nginx_program()
    folder = at.data / "front"
    identity = server_identity(program, folder)
    own_folder(folder, identity)
    return ProcessSpec(
        name="front",
        argv=("/bin/sh", str(START)),
        env={
            "PATH": os.environ.get("PATH", os.defpath),
            "FRONT_NGINX": str(program),
            "FRONT_FOLDER": str(folder),
            "FRONT_LISTEN": f"{HOST}:{at.port}",
            "FRONT_WEB": f"{HOST}:{at.web_port}",
            "FRONT_LIVE": f"{HOST}:{at.live_port}",
            "FRONT_FLOWER": f"{HOST}:{at.flower_port}",
            "FRONT_FLOWER_LOGIN": at.flower_login,
            "FRONT_TRUSTED": os.environ.get("TRUSTED_PROXIES", ""),
            **{name: os.environ[name] for name in LIMITS if os.environ.get(name)},
        },
        ready=answers_http(at.port, ALIVE),
        alive=answers_http(at.port, ALIVE),
        stop_timeout=1.0,
        # On SIGTERM the master process ends its worker; SIGKILL would leave the worker behind.
        death_signal=signal.SIGTERM,
        identity=identity,
        needs_schema=False,
    )
