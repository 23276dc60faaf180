-- What the handlers of the other context's events keep. The default privileges of the context's
-- owner give its application role the rights on both.

-- SEA's own picture of a vibe, as its events told it.
CREATE TABLE vibe_views (
    vibe_id    uuid PRIMARY KEY,
    owner      text NOT NULL,
    title      text NOT NULL,
    revision   bigint NOT NULL CHECK (revision >= 1),
    last_score integer CHECK (last_score BETWEEN 0 AND 100),
    updated_at timestamptz NOT NULL
);

-- What was decided about a vibe's revision; once for each message that asked for it.
CREATE TABLE governance_decisions (
    decision_id   uuid PRIMARY KEY,
    case_id       uuid REFERENCES cases (case_id),
    vibe_id       uuid NOT NULL,
    vibe_revision bigint NOT NULL CHECK (vibe_revision >= 1),
    outcome       text NOT NULL CHECK (outcome IN ('approved', 'review', 'rejected')),
    reasons       jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(reasons) = 'array'),
    policies      jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(policies) = 'array'),
    message_id    uuid NOT NULL UNIQUE,
    decided_at    timestamptz NOT NULL
);

CREATE INDEX governance_decisions_of_vibe ON governance_decisions (vibe_id, vibe_revision);
CREATE INDEX governance_decisions_of_case ON governance_decisions (case_id);
