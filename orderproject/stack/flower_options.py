"""Flower's options, as its `--conf` reads them: every global name that is one of its options.

`make run` and docker-compose.yml both use them. docs/operations/flower.md explains what Flower shows.
"""

from flower.views.monitor import Healthcheck, Metrics
from tornado.web import authenticated

url_prefix = "admin/flower"
"""The path at which front, which asks for the admin's log-in, passes requests on."""
read_only = True

persistent = True
state_save_interval = 60_000
"""Milliseconds. Flower also saves its tasks when it is stopped, so only kill -9 costs the last minute of them."""
max_tasks = 10_000
"""Saving so many takes less than half a second, in which Flower does not answer."""

enable_events = False
"""Workers send events in any case (-E). Flower would tell them to every five seconds."""
tasks_columns = "name,args,state,received,runtime,exception,worker,uuid"

# Flower answers these two to strangers, and they reveal the names of workers and tasks.
for _page in (Healthcheck, Metrics):
    _page.get = authenticated(_page.get)
