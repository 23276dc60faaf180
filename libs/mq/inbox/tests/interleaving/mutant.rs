//! Broken variants: what the property must notice.

use crate::arena::Arena;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// `inbox_complete` takes any attempt of a message that is not processed.
    FenceIsIgnored,
    /// `inbox_complete` looks at the state and not at the fence.
    AnyAttemptWhileOpen,
    /// `inbox_complete` marks nothing.
    MarkIsSkipped,
    /// `inbox_complete` takes a serialization failure for a success.
    SerializationFailureIsSwallowed,
    /// `inbox_complete` takes what is processed already for a success.
    ProcessedTwice,
    /// `inbox_begin` says `done` to an outdated attempt.
    OutdatedIsDone,
    /// The handler answers 200 after `inbox_complete`, and then commits.
    AnswersBeforeTheCommit,
    /// The handler's answer to `MQ101` is 409.
    ReplacedIsProcessed,
    /// The next attempt has the fence of the one before.
    StartKeepsTheFence,
    /// Giving up does not raise the fence.
    GivingUpKeepsTheFence,
    /// What a later attempt marks does not stay marked.
    LaterMarkIsLost,
}

const FENCED: &str =
    "m.consumer = the_consumer AND m.fence = the_fence AND m.state IN ('running', 'waiting')";

impl Mutant {
    pub const ALL: [Self; 11] = [
        Self::FenceIsIgnored,
        Self::AnyAttemptWhileOpen,
        Self::MarkIsSkipped,
        Self::SerializationFailureIsSwallowed,
        Self::ProcessedTwice,
        Self::OutdatedIsDone,
        Self::AnswersBeforeTheCommit,
        Self::ReplacedIsProcessed,
        Self::StartKeepsTheFence,
        Self::GivingUpKeepsTheFence,
        Self::LaterMarkIsLost,
    ];

    /// What is changed in which function of the schema.
    fn change(self) -> Option<(&'static str, &'static str, &'static str)> {
        let complete = "inbox_complete";
        match self {
            Self::FenceIsIgnored => {
                Some((complete, FENCED, "m.consumer = the_consumer AND m.state <> 'processed'"))
            }
            Self::AnyAttemptWhileOpen => {
                Some((complete, FENCED, "m.consumer = the_consumer AND m.state IN ('running', 'waiting')"))
            }
            Self::MarkIsSkipped => Some((complete, "IF marked = 1 THEN", "IF true THEN")),
            Self::SerializationFailureIsSwallowed => Some((
                complete,
                "EXCEPTION WHEN serialization_failure THEN",
                "EXCEPTION WHEN serialization_failure THEN RETURN;",
            )),
            Self::ProcessedTwice => Some((
                complete,
                "ELSIF found_state = 'processed' THEN",
                "ELSIF found_state = 'processed' THEN RETURN;",
            )),
            Self::OutdatedIsDone => Some(("inbox_begin", "ELSE 'outdated'", "ELSE 'done'")),
            Self::AnswersBeforeTheCommit
            | Self::ReplacedIsProcessed
            | Self::StartKeepsTheFence
            | Self::GivingUpKeepsTheFence
            | Self::LaterMarkIsLost => None,
        }
    }

    /// What a trigger does to which change of the inbox, where the worker's own statements would have
    /// to be broken.
    fn meddling(self) -> Option<&'static str> {
        match self {
            Self::StartKeepsTheFence => {
                Some("IF NEW.state = 'running' AND OLD.fence > 0 THEN NEW.fence := OLD.fence; END IF")
            }
            Self::GivingUpKeepsTheFence => Some("IF NEW.state = 'dying' THEN NEW.fence := OLD.fence; END IF"),
            Self::LaterMarkIsLost => Some(
                "IF NEW.state = 'processed' AND NEW.attempts > 1 THEN NEW.state := 'running'; \
                 NEW.processed_at := NULL; NEW.headers := OLD.headers; NEW.body := OLD.body; END IF",
            ),
            Self::FenceIsIgnored
            | Self::AnyAttemptWhileOpen
            | Self::MarkIsSkipped
            | Self::SerializationFailureIsSwallowed
            | Self::ProcessedTwice
            | Self::OutdatedIsDone
            | Self::AnswersBeforeTheCommit
            | Self::ReplacedIsProcessed => None,
        }
    }

    /// Breaks the schema, and returns what mends it.
    pub async fn apply(self, arena: &mut Arena) -> Option<String> {
        if let Some(meddling) = self.meddling() {
            let create = format!(
                "CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {meddling}; RETURN NEW; END $$;
                 CREATE TRIGGER meddle BEFORE UPDATE ON inbox_messages FOR EACH ROW EXECUTE FUNCTION meddle()"
            );
            arena.run(&create).await;
            return Some("DROP TRIGGER meddle ON inbox_messages; DROP FUNCTION meddle()".to_owned());
        }
        let (function, from, to) = self.change()?;
        let definition = format!("SELECT pg_get_functiondef(oid) FROM pg_proc WHERE proname = '{function}'");
        let original = arena.text(&definition).await;
        let mut broken = original.replace(from, to);
        if self == Self::MarkIsSkipped {
            broken = broken.replace(FENCED, "false");
        }
        assert_ne!(broken, original, "{self:?} changes something");
        arena.run(&broken).await;
        Some(original)
    }
}
