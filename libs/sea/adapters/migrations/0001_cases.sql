-- Cases with their tasks. Whoever changes a case or its tasks locks the case's row first: that is
-- the order in which its events are emitted.

CREATE TABLE cases (
    case_id   uuid PRIMARY KEY,
    title     text NOT NULL CHECK (char_length(title) BETWEEN 1 AND 200),
    -- An identity of the other context: text here, and no reference.
    vibe_id   text CHECK (char_length(vibe_id) BETWEEN 1 AND 64),
    state     text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'closed')),
    opened_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    revision  bigint NOT NULL DEFAULT 1 CHECK (revision >= 1)
);

-- The list, newest first, whole or of one state or vibe.
CREATE INDEX cases_newest ON cases (opened_at DESC, case_id DESC);
CREATE INDEX cases_newest_open ON cases (opened_at DESC, case_id DESC) WHERE state = 'open';
CREATE INDEX cases_of_vibe ON cases (vibe_id, opened_at DESC, case_id DESC) WHERE vibe_id IS NOT NULL;

CREATE TABLE tasks (
    task_id      uuid PRIMARY KEY,
    case_id      uuid NOT NULL REFERENCES cases (case_id),
    -- Order among the case's tasks.
    position     integer NOT NULL DEFAULT 0 CHECK (position >= 0),
    kind         text NOT NULL CHECK (kind IN ('review', 'follow_up')),
    title        text NOT NULL CHECK (char_length(title) BETWEEN 1 AND 200),
    state        text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'done')),
    completed_by text CHECK (char_length(completed_by) BETWEEN 1 AND 64),
    completed_at timestamptz,
    CHECK ((state = 'done') = (completed_by IS NOT NULL)),
    CHECK ((state = 'done') = (completed_at IS NOT NULL))
);

CREATE INDEX tasks_of_case ON tasks (case_id, position, task_id);

-- Commands that were carried out under a caller's key, with their result: kept in the same
-- transaction as what they changed.
CREATE TABLE command_keys (
    operation  text NOT NULL,
    key        text NOT NULL CHECK (char_length(key) BETWEEN 1 AND 200),
    digest     bytea NOT NULL CHECK (octet_length(digest) = 32),
    -- Set before the transaction that inserts the row ends.
    result     jsonb,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (operation, key)
);

CREATE INDEX command_keys_by_age ON command_keys (created_at);

DO $$
DECLARE
    app text := regexp_replace(current_user, '_owner$', '') || '_app';
BEGIN
    -- The ledger of these migrations is for reading.
    EXECUTE format('REVOKE INSERT, UPDATE, DELETE ON sea_migrations FROM %I', app);
END
$$;
