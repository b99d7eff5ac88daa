"""Live streams: the log as server-sent events, for as many clients as one process can hold connections.

The log is the source of truth; Pub/Sub only wakes the reader, so a lost message costs a fraction of a second, never an
event. One reader per process (`hub`) reads new events from the log (`tail`) and passes each to the streams that select
it. A client that reconnects gets the events that it missed from the log (`follow`).
"""
