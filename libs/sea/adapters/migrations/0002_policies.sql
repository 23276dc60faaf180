-- Governance policies: versions are added and never changed, the highest of a name holds.

CREATE TABLE policies (
    name         text NOT NULL CHECK (name ~ '^[a-z0-9_]{1,64}$'),
    version      integer NOT NULL CHECK (version >= 1),
    -- An expression over `facts` that is true when they are in order.
    expression   text NOT NULL CHECK (octet_length(expression) BETWEEN 1 AND 2000),
    on_violation text NOT NULL CHECK (on_violation IN ('review', 'reject')),
    message      text NOT NULL CHECK (char_length(message) BETWEEN 1 AND 500),
    active       boolean NOT NULL DEFAULT true,
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (name, version)
);

INSERT INTO policies (name, version, expression, on_violation, message) VALUES
    ('minimum_score', 1, 'facts.score >= 40', 'reject',
     'The score is below 40.'),
    ('described', 1, 'facts.title != ""', 'review',
     'There is no title: somebody has to look at it.');

DO $$
DECLARE
    app text := regexp_replace(current_user, '_owner$', '') || '_app';
BEGIN
    -- Default privileges let the application change all tables that appear here.
    EXECUTE format('REVOKE UPDATE, DELETE ON policies FROM %I', app);
END
$$;
