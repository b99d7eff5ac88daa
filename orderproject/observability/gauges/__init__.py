"""What is true now, computed from rows when Prometheus asks. One module per section; each may fail by itself.

No statement reads a table that grows with time: each follows a partial index of what is still open, and stops counting
at `MOST`.
"""

MOST = 100_000
"""Rows of one kind that are counted at most."""
