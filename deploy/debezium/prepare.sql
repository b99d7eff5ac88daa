-- What Debezium's connector needs in the database of the orders. Run it once, as a superuser, after `manage.py migrate`:
--   psql --variable=password="$DEBEZIUM_PASSWORD" --file=deploy/debezium/prepare.sql "$ADMIN_DATABASE_URL"
-- The server needs wal_level=logical, and max_slot_wal_keep_size so that a stopped connector cannot fill its disk.
CREATE ROLE debezium LOGIN REPLICATION PASSWORD :'password';
GRANT SELECT ON events_storedevent TO debezium;
-- Without updates: a text that is erased in the log is no new event.
CREATE PUBLICATION debezium_events FOR TABLE events_storedevent WITH (publish = 'insert');
