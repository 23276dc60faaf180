-- The inbox: what others told the context, and how far it is with each.
--
--                    ┌──────────────── attempt started ───────────────┐
--                    ▼                                                │
--   recorded ──▶ ready ──▶ running ──2xx, 409, inbox_complete──▶ processed
--      │           │          │ ▲
--      │           │   failed │ │ due
--      │           │          ▼ │
--      │           │        waiting
--      │           └──▶ behind (its aggregate's head waits or is held; started from here in order)
--      │                      │
--      │                running, waiting: gives up (fence + 1)
--      │                      ▼
--      └──unusable──────▶  dying ──dead letter acked──▶ dead ──redrive (epoch + 1)──▶ waiting

CREATE SEQUENCE inbox_pos CACHE 1;

CREATE TABLE inbox_messages (
    message_id        uuid        NOT NULL,
    consumer          text        NOT NULL,
    subject           text        NOT NULL,
    event_type        text,
    event_version     integer,
    aggregate_type    text,
    aggregate_id      text,
    received_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    processed_at      timestamptz,
    attempts          integer     NOT NULL DEFAULT 0,
    last_error        text,
    next_attempt_at   timestamptz,
    dead_lettered_at  timestamptz,
    dead_reason       text,
    dead_epoch        integer,
    -- Its aggregate stops here until it is redriven or discarded.
    holding           boolean     NOT NULL DEFAULT false,
    -- Its last attempt ended without an answer: call it alone.
    suspect           boolean     NOT NULL DEFAULT false,
    -- Redriven: its aggregate went on without it, so it is exempt from order.
    exempt            boolean     NOT NULL DEFAULT false,
    -- Rises with every attempt and with giving up; never resets.
    fence             bigint      NOT NULL DEFAULT 0,
    -- Rises with every redrive.
    epoch             integer     NOT NULL DEFAULT 0,
    stream            text        NOT NULL,
    stream_created_at timestamptz NOT NULL,
    stream_seq        bigint      NOT NULL,
    -- JSON array of [name, value] pairs, and the payload: kept until processed. Bytes, since what
    -- jsonb refuses must still be recordable.
    headers           bytea,
    body              bytea,
    state             text        NOT NULL,
    lane              smallint    NOT NULL,
    pos               bigint      NOT NULL DEFAULT nextval('inbox_pos'),
    PRIMARY KEY (message_id, consumer),
    -- In one condition: each costs every statement and every row of its own.
    CONSTRAINT inbox_state_is_whole CHECK (
        CASE
            WHEN state = 'processed' THEN processed_at IS NOT NULL AND next_attempt_at IS NULL
            WHEN processed_at IS NOT NULL OR headers IS NULL OR body IS NULL THEN false
            WHEN state = 'waiting' THEN next_attempt_at IS NOT NULL
            WHEN next_attempt_at IS NOT NULL THEN false
            WHEN state IN ('running', 'ready', 'behind') THEN true
            WHEN dead_reason IS NULL THEN false
            WHEN state = 'dead' THEN dead_lettered_at IS NOT NULL AND dead_epoch IS NOT NULL
            ELSE state = 'dying'
        END
        AND attempts >= 0 AND fence >= 0 AND epoch >= 0),
    -- What orders a message must fit into an index entry: it is refused when recorded, not later.
    CONSTRAINT inbox_aggregate_fits CHECK (octet_length(aggregate_type) <= 500 AND octet_length(aggregate_id) <= 1000)
) WITH (
    fillfactor = 80,
    autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_vacuum_insert_scale_factor = 0.1,
    autovacuum_analyze_scale_factor = 0.05
);

CREATE INDEX inbox_messages_ready ON inbox_messages (consumer, lane, pos) WHERE state = 'ready';
CREATE INDEX inbox_messages_waiting ON inbox_messages (consumer, next_attempt_at, lane) WHERE state = 'waiting';
CREATE INDEX inbox_messages_running ON inbox_messages (consumer, lane) WHERE state = 'running';
CREATE INDEX inbox_messages_dying ON inbox_messages (consumer, lane) WHERE state = 'dying';
CREATE INDEX inbox_messages_behind ON inbox_messages (consumer, lane, aggregate_id, aggregate_type, pos) WHERE state = 'behind';
CREATE INDEX inbox_messages_holding ON inbox_messages (consumer, lane) WHERE state = 'dead' AND holding;
CREATE INDEX inbox_messages_dead ON inbox_messages (consumer, dead_lettered_at) WHERE state = 'dead';
CREATE INDEX inbox_messages_received_at ON inbox_messages USING brin (received_at) WITH (pages_per_range = 32);

-- Up to where each incarnation of a subscribed stream is recorded, without a gap.
CREATE TABLE inbox_streams (
    consumer          text        NOT NULL,
    stream            text        NOT NULL,
    stream_created_at timestamptz NOT NULL,
    recorded_seq      bigint      NOT NULL DEFAULT 0,
    first_seen_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (consumer, stream, stream_created_at)
) WITH (fillfactor = 50);

-- May this attempt run? `run`, `done` (processed already), `outdated` (a later attempt or a dead
-- letter has replaced it) or `unknown`. Takes no lock.
CREATE FUNCTION inbox_begin(message_id uuid, consumer text, fence bigint) RETURNS text
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp
AS $$
    SELECT coalesce(
        (SELECT CASE
                    WHEN m.state = 'processed' THEN 'done'
                    WHEN m.fence = $3 AND m.state IN ('running', 'waiting') THEN 'run'
                    ELSE 'outdated'
                END
         FROM inbox_messages m
         WHERE m.message_id = $1 AND m.consumer = $2),
        'unknown')
$$;

-- Marks the message processed in the caller's transaction, or raises: MQ101 when the attempt is no
-- longer the current one, MQ102 when there is no such message, MQ103 when it is processed already, MQ104
-- when this very transaction has marked it: rolling that back and answering 409 would lose the effects.
-- To be called last: it locks the row until the caller commits.
CREATE FUNCTION inbox_complete(message_id uuid, consumer text, fence bigint) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    the_message  ALIAS FOR $1;
    the_consumer ALIAS FOR $2;
    the_fence    ALIAS FOR $3;
    found_state  text;
    found_fence  bigint;
    found_xmin   bigint;
    own          bigint;
    marked       integer := 0;
BEGIN
    IF current_setting('transaction_isolation') = 'read committed' THEN
        UPDATE inbox_messages m
        SET state = 'processed', processed_at = clock_timestamp(), next_attempt_at = NULL, last_error = NULL, headers = NULL, body = NULL
        WHERE m.message_id = the_message AND m.consumer = the_consumer AND m.fence = the_fence AND m.state IN ('running', 'waiting');
        GET DIAGNOSTICS marked = ROW_COUNT;
    ELSE
        -- A row that changed since the caller's snapshot raises 40001 here, whatever changed: this
        -- attempt cannot prove any more that it is the current one. The block costs a
        -- subtransaction, so read committed does without.
        BEGIN
            UPDATE inbox_messages m
            SET state = 'processed', processed_at = clock_timestamp(), next_attempt_at = NULL, last_error = NULL, headers = NULL, body = NULL
            WHERE m.message_id = the_message AND m.consumer = the_consumer AND m.fence = the_fence AND m.state IN ('running', 'waiting');
            GET DIAGNOSTICS marked = ROW_COUNT;
        EXCEPTION WHEN serialization_failure THEN
            RAISE EXCEPTION 'inbox: attempt % of message % for % is no longer the current one', the_fence, the_message, the_consumer
                USING ERRCODE = 'MQ101', HINT = 'Roll back and answer 503.';
        END;
    END IF;
    IF marked = 1 THEN
        RETURN;
    END IF;
    SELECT m.state, m.fence, m.xmin::text::bigint INTO found_state, found_fence, found_xmin FROM inbox_messages m
    WHERE m.message_id = the_message AND m.consumer = the_consumer;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'inbox: no message % for %', the_message, the_consumer
            USING ERRCODE = 'MQ102', HINT = 'Roll back and answer 503.';
    ELSIF found_state = 'processed' THEN
        -- A row that is seen and whose writer has not ended is this transaction's own, or a savepoint's in it.
        own := pg_current_xact_id()::text::bigint;
        BEGIN
            IF pg_xact_status((own - own % 4294967296 + found_xmin)::text::xid8) = 'in progress' THEN
                found_state := 'marked here';
            END IF;
        EXCEPTION WHEN invalid_parameter_value THEN
            NULL; -- Of an earlier round of the counter: long committed.
        END;
        IF found_state = 'marked here' THEN
            RAISE EXCEPTION 'inbox: message % for % is marked twice in one transaction', the_message, the_consumer
                USING ERRCODE = 'MQ104', HINT = 'Call inbox_complete once. Roll back and answer 500.';
        END IF;
        RAISE EXCEPTION 'inbox: message % for % is processed already', the_message, the_consumer
            USING ERRCODE = 'MQ103', HINT = 'Roll back and answer 409.';
    END IF;
    RAISE EXCEPTION 'inbox: attempt % of message % for % is no longer the current one (now %, %)', the_fence, the_message, the_consumer, found_fence, found_state
        USING ERRCODE = 'MQ101', HINT = 'Roll back and answer 503.';
END
$$;

-- Deletes finished rows older than the retention, at most `batch` at a time; returns how many.
CREATE FUNCTION inbox_cleanup(retention interval, batch integer) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp
    -- The worker's role has them off; old rows are found by a BRIN index.
    SET enable_bitmapscan = on
AS $$
DECLARE
    deleted bigint;
BEGIN
    IF retention < interval '31 days' THEN
        RAISE EXCEPTION 'inbox retention of % is below 31 days: a dead letter redriven or a range replayed after it would run twice', retention
            USING ERRCODE = 'MQ006';
    END IF;
    WITH old AS (
        SELECT message_id, consumer FROM inbox_messages
        WHERE received_at < clock_timestamp() - retention
          AND ((state = 'processed' AND processed_at < clock_timestamp() - retention)
               OR (state = 'dead' AND NOT holding AND dead_lettered_at < clock_timestamp() - retention))
        LIMIT batch
        FOR UPDATE SKIP LOCKED)
    DELETE FROM inbox_messages m USING old WHERE m.message_id = old.message_id AND m.consumer = old.consumer;
    GET DIAGNOSTICS deleted = ROW_COUNT;
    RETURN deleted;
END
$$;

DO $$
DECLARE
    app    text := current_setting('sea_mq.context') || '_app';
    worker text := current_setting('sea_mq.context') || '_worker';
BEGIN
    EXECUTE format('REVOKE ALL ON inbox_messages, inbox_streams FROM PUBLIC, %I, %I', app, worker);
    EXECUTE format('REVOKE ALL ON SEQUENCE inbox_pos FROM PUBLIC, %I, %I', app, worker);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE ON inbox_messages, inbox_streams TO %I', worker);
    EXECUTE format('GRANT USAGE ON SEQUENCE inbox_pos TO %I', worker);
    EXECUTE format('REVOKE ALL ON FUNCTION inbox_begin(uuid, text, bigint), inbox_complete(uuid, text, bigint), inbox_cleanup(interval, integer) FROM PUBLIC, %I, %I', app, worker);
    EXECUTE format('GRANT EXECUTE ON FUNCTION inbox_begin(uuid, text, bigint), inbox_complete(uuid, text, bigint) TO %I', app);
    EXECUTE format('GRANT EXECUTE ON FUNCTION inbox_cleanup(interval, integer) TO %I', worker);
END
$$;
