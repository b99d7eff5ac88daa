"""Counts that stay right over many processes and restarts (docs/decisions/0057).

`declare` says what is counted, `memory` holds what a process has not written yet, `flush` adds it to the database, and
`reading` returns the totals of all processes.
"""
