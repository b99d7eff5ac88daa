"""Adds triggers that refuse UPDATE, DELETE and TRUNCATE on the log.

A test database sets `ALTER DATABASE … SET events.erasable = 'on'` to permit TRUNCATE between tests.
"""

from django.db import migrations

FORWARD = """
CREATE FUNCTION events_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'TRUNCATE' AND current_setting('events.erasable', true) = 'on' THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION 'the log is append-only: % on events_storedevent is refused', TG_OP
        USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER events_append_only BEFORE UPDATE OR DELETE ON events_storedevent
    FOR EACH ROW EXECUTE FUNCTION events_refuse_change();
CREATE TRIGGER events_no_truncate BEFORE TRUNCATE ON events_storedevent
    FOR EACH STATEMENT EXECUTE FUNCTION events_refuse_change();
"""

BACKWARD = """
DROP TRIGGER events_no_truncate ON events_storedevent;
DROP TRIGGER events_append_only ON events_storedevent;
DROP FUNCTION events_refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [("events", "0001_initial")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
