"""The process that holds the open streams: `python -m orderproject.live`."""
