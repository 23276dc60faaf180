-- vibespro's own tables, made by the application's own pipeline as its owner. sea-mq's tables
-- stand beside them and are none of its business.

CREATE TABLE vibes (
    vibe_id    text PRIMARY KEY,
    user_id    text    NOT NULL,
    title      text    NOT NULL,
    revision   integer NOT NULL,
    score      integer,
    decision   text,
    decided_at timestamptz
);

-- One line for every event that took effect. message_id is not unique on purpose: an effect that
-- happened twice would show here.
CREATE TABLE vibe_history (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    vibe_id    text        NOT NULL,
    message_id uuid        NOT NULL,
    event_type text        NOT NULL,
    revision   integer     NOT NULL,
    at         timestamptz NOT NULL DEFAULT clock_timestamp()
);
