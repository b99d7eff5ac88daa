"""SQL statements on the builds of read models."""

# The share lock lasts until the writer of this build commits; a swap waits for it.
HOLD_BUILD = "SELECT live, boundary FROM events_build WHERE name = %s FOR SHARE"

ADD_BUILD = "INSERT INTO events_build (name, live, boundary, last) VALUES (%s, 1, 0, 1) ON CONFLICT DO NOTHING"

NEXT_BUILD = "UPDATE events_build SET last = last + 1 WHERE name = %s RETURNING last"
