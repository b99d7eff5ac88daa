"""Alerts and boards, with Prometheus' own programs. `python -m tests.alerts` injects every fault, for ten minutes."""
