"""PostgreSQL as the settings name it: Django's own engine, and at once over a restart of the server."""
