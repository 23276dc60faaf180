use std::fmt;

use crate::api::ApiError;

/// Why a message was not stored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// Not now: the same message may be stored later, and may even have been stored already.
    /// Send the same id again before the next event of its aggregate.
    #[error("{kind}: {detail}")]
    Outage {
        /// What kind of outage.
        kind: OutageKind,
        /// What happened, to what, and what to do.
        detail: String,
    },
    /// Never: this very message cannot be stored as it is.
    #[error("the message can never be stored as it is: {reason}")]
    Refused {
        /// What is wrong with it.
        reason: String,
    },
}

/// What kind of outage keeps a message from being stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OutageKind {
    /// No ack in time: maybe stored, maybe later.
    Timeout,
    /// No stream listens on the subject, or it has no leader (503 no responders).
    NoResponders,
    /// The stream, its account or the server's disk is full.
    StreamFull,
    /// The expected stream does not exist.
    StreamMissing,
    /// JetStream answers that it cannot at this moment.
    Unavailable,
    /// There is no connection, or it was lost before the ack came.
    Disconnected,
    /// This user may not publish to the subject.
    PermissionDenied,
    /// Another stream than the expected one stores the subject.
    WrongStream,
    /// Anything else: tried again, since only what is understood may be given up.
    Other,
}

impl OutageKind {
    /// The kind in snake case, for a metric's label.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::NoResponders => "no_responders",
            Self::StreamFull => "stream_full",
            Self::StreamMissing => "stream_missing",
            Self::Unavailable => "unavailable",
            Self::Disconnected => "disconnected",
            Self::PermissionDenied => "permission_denied",
            Self::WrongStream => "wrong_stream",
            Self::Other => "other",
        }
    }
}

impl fmt::Display for OutageKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Timeout => "no publish ack in time",
            Self::NoResponders => "no stream answers",
            Self::StreamFull => "the stream is full",
            Self::StreamMissing => "the stream is missing",
            Self::Unavailable => "JetStream is unavailable",
            Self::Disconnected => "not connected to NATS",
            Self::PermissionDenied => "not permitted",
            Self::WrongStream => "another stream stores this subject",
            Self::Other => "not stored",
        })
    }
}

/// Everything that may come instead of a publish ack.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// JetStream answered with an error.
    Api(ApiError),
    /// The server answered 503 no responders.
    NoResponders,
    /// Nothing came in time.
    Timeout,
    /// No connection, or lost on the way.
    Disconnected,
    /// The server does not permit it: its words.
    Denied(String),
    /// An ack of this other stream came.
    StoredIn(String),
    /// The answer was not understood.
    Unreadable(String),
    /// The message is larger than the server takes.
    TooLarge(String),
    /// A header or the subject cannot be sent.
    Malformed(String),
    /// The client cannot send anything any more.
    ClientClosed(String),
}

/// The one place where a failure is told from a verdict. What is not known is an outage.
pub(crate) fn classify(fault: Fault, subject: &str, stream: &str) -> PublishError {
    use OutageKind as Kind;
    let outage = |kind, detail| PublishError::Outage { kind, detail };
    match fault {
        Fault::TooLarge(reason) | Fault::Malformed(reason) => PublishError::Refused { reason },
        Fault::Api(error) => classify_api(&error, subject, stream),
        Fault::NoResponders => outage(
            Kind::NoResponders,
            format!(
                "`{subject}` is stored by no stream at this moment; is {stream} created, and does it have a leader?"
            ),
        ),
        Fault::Timeout => outage(
            Kind::Timeout,
            format!("{stream} did not acknowledge `{subject}`; it may be stored already, or later"),
        ),
        Fault::Disconnected => outage(
            Kind::Disconnected,
            format!("`{subject}` waits for the connection, which is retried by itself"),
        ),
        Fault::Denied(text) => outage(
            Kind::PermissionDenied,
            format!(
                "the server says: {text}; give this context's user the permissions that infra/nats/users.conf lists for it"
            ),
        ),
        Fault::StoredIn(other) => {
            outage(Kind::WrongStream, format!("`{subject}` was acknowledged by {other} instead of {stream}"))
        }
        Fault::Unreadable(reason) => outage(
            Kind::Other,
            format!(
                "the answer to `{subject}` is no publish ack ({reason}); does something other than a stream answer there?"
            ),
        ),
        Fault::ClientClosed(reason) => {
            outage(Kind::Disconnected, format!("the NATS client is closed: {reason}"))
        }
    }
}

fn classify_api(error: &ApiError, subject: &str, stream: &str) -> PublishError {
    let words = format!("{} (code {}, error {})", error.description, error.code, error.err_code);
    match verdict(error) {
        Verdict::Refused => PublishError::Refused { reason: format!("{stream} refuses it: {words}") },
        Verdict::Outage(kind) => {
            PublishError::Outage { kind, detail: format!("{stream} did not store `{subject}`: {words}") }
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Refused,
    Outage(OutageKind),
}

/// JetStream's error numbers, `server/errors.json`.
fn verdict(error: &ApiError) -> Verdict {
    use OutageKind as Kind;
    match error.err_code {
        // Message larger than max_msg_size; headers larger than 64 KiB.
        10054 | 10097 => Verdict::Refused,
        // Storage of server, account or memory; limits of the account's tier.
        10002 | 10023 | 10028 | 10047 | 10120 | 10121 | 10122 => Verdict::Outage(Kind::StreamFull),
        // The store's own failure carries its words: a limit that is reached, or a broken disk.
        10077 if error.description.contains("maximum") => Verdict::Outage(Kind::StreamFull),
        10059 => Verdict::Outage(Kind::StreamMissing),
        // Nats-Expected-Stream does not match.
        10060 => Verdict::Outage(Kind::WrongStream),
        // The same id is on its way through the cluster, or too much is.
        10158 | 10167 => Verdict::Outage(Kind::Unavailable),
        _other if error.code == 503 => Verdict::Outage(Kind::Unavailable),
        _unknown => Verdict::Outage(Kind::Other),
    }
}

#[cfg(test)]
mod tests {
    use super::{Fault, OutageKind as Kind, PublishError, classify};
    use crate::api::ApiError;

    fn api(code: u16, err_code: u16, description: &str) -> Fault {
        Fault::Api(ApiError { code, err_code, description: description.to_owned() })
    }

    fn text(words: &str) -> String {
        words.to_owned()
    }

    #[test]
    fn outages_are_never_refusals() {
        let outages = [
            (Fault::Timeout, Kind::Timeout),
            (Fault::NoResponders, Kind::NoResponders),
            (Fault::Disconnected, Kind::Disconnected),
            (Fault::ClientClosed(text("closed")), Kind::Disconnected),
            (Fault::Denied(text("no")), Kind::PermissionDenied),
            (Fault::StoredIn(text("OTHER")), Kind::WrongStream),
            (Fault::Unreadable(text("eof")), Kind::Other),
            (api(503, 10077, "maximum bytes exceeded"), Kind::StreamFull),
            (api(503, 10077, "maximum messages exceeded"), Kind::StreamFull),
            (api(503, 10077, "write error: no space left on device"), Kind::Unavailable),
            (api(503, 10023, "insufficient resources"), Kind::StreamFull),
            (api(500, 10047, "insufficient storage resources available"), Kind::StreamFull),
            (api(400, 10002, "resource limits exceeded for account"), Kind::StreamFull),
            (api(404, 10059, "stream not found"), Kind::StreamMissing),
            (api(400, 10060, "expected stream does not match"), Kind::WrongStream),
            (api(409, 10158, "duplicate message id is in process"), Kind::Unavailable),
            (api(429, 10167, "too many requests"), Kind::Unavailable),
            (api(503, 10008, "JetStream system temporarily unavailable"), Kind::Unavailable),
            (api(503, 10076, "JetStream not enabled"), Kind::Unavailable),
            (api(400, 19999, "something new"), Kind::Other),
            (api(0, 0, ""), Kind::Other),
        ];
        for (fault, want) in outages {
            let got = classify(fault.clone(), "a.b", "S");
            assert!(
                matches!(&got, PublishError::Outage { kind, .. } if *kind == want),
                "{fault:?}: {got:?}, not {want:?}"
            );
        }
    }

    #[test]
    fn only_the_message_itself_is_refused() {
        let refused = [
            Fault::TooLarge(text("2 MB")),
            Fault::Malformed(text("header with a line break")),
            api(400, 10054, "message size exceeds maximum allowed"),
            api(400, 10097, "header size exceeds maximum allowed of 64k"),
        ];
        for fault in refused {
            let got = classify(fault.clone(), "a.b", "S");
            assert!(matches!(got, PublishError::Refused { .. }), "{fault:?}: {got:?}");
        }
    }
}
