-- The context, and the one lease mechanism that the publisher, ingest and dispatch share.
-- Runs as {context}_owner. `sea_mq.context` and `sea_mq.max_payload_bytes` are set by the migrator.

CREATE TABLE mq_settings (
    only_row          boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    context           text    NOT NULL CHECK (context ~ '^[a-z][a-z0-9_]{0,39}$'),
    -- Largest payload in bytes: the broker's limit less 16 KiB for headers.
    max_payload_bytes integer NOT NULL CHECK (max_payload_bytes > 0)
);

INSERT INTO mq_settings (context, max_payload_bytes)
VALUES (current_setting('sea_mq.context'), current_setting('sea_mq.max_payload_bytes')::integer);

-- A lane is the unit of ownership: all events of one aggregate share one.
CREATE FUNCTION mq_lane(key text) RETURNS smallint
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN (hashtextextended(key, 0) & 31)::smallint;

CREATE FUNCTION mq_lane_of(aggregate_type text, aggregate_id text, message_id uuid) RETURNS smallint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE
        WHEN aggregate_id IS NULL THEN mq_lane(message_id::text)
        ELSE mq_lane(coalesce(aggregate_type, '') || '/' || aggregate_id)
    END;

-- A worker instance lives as long as its row: whoever finds it expired deletes it, and with it
-- falls every lease. Each life has a new id, so a frozen instance that wakes up finds itself gone.
CREATE TABLE mq_instances (
    id         uuid        PRIMARY KEY,
    name       text        NOT NULL,
    roles      text[]      NOT NULL,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- How long it may stay silent. A life that ends later than this from now dates from before the
    -- clock was set back.
    ttl        interval    NOT NULL CHECK (ttl > interval '0'),
    expires_at timestamptz NOT NULL
);

CREATE TABLE mq_leases (
    role     text     NOT NULL,
    lane     smallint NOT NULL CHECK (lane >= 0),
    holder   uuid     REFERENCES mq_instances (id) ON DELETE SET NULL,
    epoch    bigint   NOT NULL DEFAULT 0,
    taken_at timestamptz,
    PRIMARY KEY (role, lane)
) WITH (fillfactor = 50);

-- Up to where a lane's owner has worked: what lies at or below the floor, and was visible in the
-- snapshot, is not waiting for it. It only spares the next owner a walk over dead index entries.
CREATE TABLE mq_positions (
    role     text     NOT NULL,
    lane     smallint NOT NULL,
    floor    bigint   NOT NULL DEFAULT 0,
    snapshot pg_snapshot,
    PRIMARY KEY (role, lane)
) WITH (fillfactor = 50);

DO $$
DECLARE
    app    text := current_setting('sea_mq.context') || '_app';
    worker text := current_setting('sea_mq.context') || '_worker';
BEGIN
    EXECUTE format('REVOKE ALL ON mq_settings, mq_instances, mq_leases, mq_positions FROM PUBLIC, %I, %I', app, worker);
    EXECUTE format('GRANT SELECT ON mq_settings TO %I, %I', app, worker);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON mq_instances TO %I', worker);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE ON mq_leases, mq_positions TO %I', worker);
    -- The outbox trigger calls the lane functions as whoever inserts.
    EXECUTE 'REVOKE ALL ON FUNCTION mq_lane(text), mq_lane_of(text, text, uuid) FROM PUBLIC';
    EXECUTE format('GRANT EXECUTE ON FUNCTION mq_lane(text), mq_lane_of(text, text, uuid) TO %I, %I', app, worker);
END
$$;
