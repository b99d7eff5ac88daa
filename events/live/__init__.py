"""The live view: the log as server-sent events, for as many clients as one process can hold connections.

The log decides, Pub/Sub hurries: a message that is lost costs a fraction of a second, never an event. One reader per
process (`hub`) takes news from the log (`tail`) and hands each to the streams that want it; a client that comes back
gets what it missed from the log (`follow`).
"""
