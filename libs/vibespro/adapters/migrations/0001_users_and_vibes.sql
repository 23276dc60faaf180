-- VibesPro's own tables. The substrate's outbox and inbox stand beside them in the same schema.
-- The application's role gets its rights through the owner's default privileges.

CREATE TABLE users (
    user_id    text        PRIMARY KEY CHECK (user_id ~ '^[a-z0-9._-]{1,64}$'),
    name       text        NOT NULL CHECK (char_length(name) BETWEEN 1 AND 100),
    created_at timestamptz NOT NULL
);

CREATE TABLE vibes (
    vibe_id     uuid        PRIMARY KEY,
    user_id     text        NOT NULL REFERENCES users,
    title       text        NOT NULL CHECK (char_length(title) BETWEEN 1 AND 120),
    description text        NOT NULL CHECK (char_length(description) <= 2000),
    -- Rises by one with every change by a command; whoever changes a row names the revision it read.
    revision    bigint      NOT NULL CHECK (revision >= 1),
    score       smallint    CHECK (score BETWEEN 0 AND 100),
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL,
    -- Written by the handlers of governance's events alone; they leave the revision as it is.
    decision_outcome text CHECK (decision_outcome IN ('approved', 'review', 'rejected')),
    decision_reason  text,
    decision_case_id uuid,
    -- The vibe's revision that was decided upon: an older one's decision comes too late.
    decision_revision bigint CHECK (decision_revision >= 1),
    decided_at       timestamptz,
    CHECK ((decision_outcome IS NULL) = (decided_at IS NULL)),
    CHECK (decision_outcome IS NOT NULL
        OR (decision_reason IS NULL AND decision_case_id IS NULL AND decision_revision IS NULL))
);

-- A user's vibes, newest first.
CREATE INDEX vibes_of_user ON vibes (user_id, created_at DESC, vibe_id DESC);

-- What a command under an idempotency key left behind, in its own transaction. Its primary key is
-- what makes a second command with the same key wait for the first and then fail.
CREATE TABLE idempotency_keys (
    operation      text        NOT NULL,
    key            text        NOT NULL,
    request_sha256 bytea       NOT NULL CHECK (octet_length(request_sha256) = 32),
    -- The row that the command left, as it was then.
    result         jsonb       NOT NULL,
    created_at     timestamptz NOT NULL,
    CONSTRAINT idempotency_keys_pkey PRIMARY KEY (operation, key)
);

-- Old ones are found by their age.
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);
