"""The process that serves live event streams: `python -m orderproject.live`."""
