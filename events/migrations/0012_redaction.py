"""Lets texts in the log and the audit be erased where somebody is forgotten, and nothing else be changed.

An UPDATE passes only in a transaction that says so (`desk.personal_data.redacting`), only in the columns that the trigger
names, and only if each text stays or becomes "[forgotten]" and an actor becomes `user:<id>`.
"""

from django.db import migrations

FORWARD = """
CREATE FUNCTION events_is_redacted(before jsonb, after jsonb) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    IF before = after OR (jsonb_typeof(before) = 'string' AND after = '"[forgotten]"') THEN
        RETURN true;
    END IF;
    IF jsonb_typeof(before) = 'object' AND jsonb_typeof(after) = 'object' THEN
        RETURN (SELECT coalesce(bool_and(coalesce(events_is_redacted(old.value, new.value), false)), true)
                FROM jsonb_each(before) old FULL JOIN jsonb_each(after) new USING (key));
    END IF;
    IF jsonb_typeof(before) = 'array' AND jsonb_typeof(after) = 'array' THEN
        RETURN (SELECT coalesce(bool_and(coalesce(events_is_redacted(old.value, new.value), false)), true)
                FROM jsonb_array_elements(before) WITH ORDINALITY old
                FULL JOIN jsonb_array_elements(after) WITH ORDINALITY new USING (ordinality));
    END IF;
    RETURN false;
END $$;
CREATE FUNCTION events_refuse_all_but_redaction() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    before jsonb;
    after jsonb;
BEGIN
    IF TG_OP = 'UPDATE' AND current_setting('events.forgetting', true) = 'on' THEN
        before := to_jsonb(OLD);
        after := to_jsonb(NEW);
        IF after ->> 'actor' LIKE 'user:%' THEN
            after := after || jsonb_build_object('actor', before -> 'actor');
        END IF;
        IF before - TG_ARGV::text[] = after - TG_ARGV::text[] AND events_is_redacted(before, after) THEN
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION 'the log is append-only: % on % is refused', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation';
END $$;
DROP TRIGGER events_append_only ON events_storedevent;
CREATE TRIGGER events_append_only BEFORE UPDATE OR DELETE ON events_storedevent
    FOR EACH ROW EXECUTE FUNCTION events_refuse_all_but_redaction('data', 'actor');
DROP TRIGGER events_audit_append_only ON events_audit;
CREATE TRIGGER events_audit_append_only BEFORE UPDATE OR DELETE ON events_audit
    FOR EACH ROW EXECUTE FUNCTION events_refuse_all_but_redaction('reason', 'details', 'actor');
"""

BACKWARD = """
DROP TRIGGER events_audit_append_only ON events_audit;
CREATE TRIGGER events_audit_append_only BEFORE UPDATE OR DELETE ON events_audit
    FOR EACH ROW EXECUTE FUNCTION events_refuse_change();
DROP TRIGGER events_append_only ON events_storedevent;
CREATE TRIGGER events_append_only BEFORE UPDATE OR DELETE ON events_storedevent
    FOR EACH ROW EXECUTE FUNCTION events_refuse_change();
DROP FUNCTION events_refuse_all_but_redaction();
DROP FUNCTION events_is_redacted(jsonb, jsonb);
"""


class Migration(migrations.Migration):
    dependencies = [("events", "0011_help_texts")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
