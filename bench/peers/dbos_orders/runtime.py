"""The configuration of DBOS for this peer."""

from __future__ import annotations

import os

from dbos import DBOS, DBOSConfig

APPLICATION = "dbos-orders"
VERSION = "1"
QUEUE = "orders"


def launch(executor: str, threads: int) -> None:
    config: DBOSConfig = {
        "name": APPLICATION,
        "application_version": VERSION,
        "executor_id": executor,
        "system_database_url": os.environ["DATABASE_URL"],
        "sys_db_pool_size": threads + 4,
        # By default SQLAlchemy checks each connection before each use.
        "db_engine_kwargs": {"pool_pre_ping": False},
        "log_level": "WARNING",
    }
    DBOS(config=config)
    DBOS.launch()
