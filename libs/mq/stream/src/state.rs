use std::fmt;

use async_nats::{ClientError, Event, ServerError};
use tokio::time::Instant;

/// What is known about the connection at this moment.
#[derive(Clone, Debug)]
pub struct BrokerState {
    /// Connected or not, and since when.
    pub link: Link,
    /// How many connections were made so far, the first included: a rise is a reconnect.
    pub connects: u64,
    /// The last thing that the server did not permit.
    pub denial: Option<Denial>,
    /// How many denials there were so far.
    pub denials: u64,
}

/// Whether the servers can be talked to.
#[derive(Clone, Debug)]
pub enum Link {
    /// Yes.
    Connected {
        /// When the connection was made.
        since: Instant,
    },
    /// No; the client keeps trying.
    Disconnected {
        /// When the connection was lost.
        since: Instant,
        /// Why the last attempt failed, once one did.
        reason: Option<String>,
    },
    /// No, and never again: this broker must be dropped and another one connected.
    Closed {
        /// Why it was given up.
        reason: String,
    },
}

/// What the server did not permit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// What was tried.
    pub action: DeniedAction,
    /// The subject that it was tried on; empty when the server named none.
    pub subject: String,
    /// The server's own words.
    pub text: String,
}

/// What was tried when the server said no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeniedAction {
    /// A message, a request or an ack.
    Publish,
    /// A subscription.
    Subscribe,
    /// A message with a reply subject that is not allowed.
    Reply,
}

impl fmt::Display for DeniedAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Publish => "publish to",
            Self::Subscribe => "subscribe to",
            Self::Reply => "ask for replies on",
        })
    }
}

/// What an event of the client means for those who wait.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Consequence {
    /// Nothing.
    None,
    /// No reply to what is in flight can arrive any more.
    RepliesLost,
    /// The named subject is not permitted.
    Denied(Denial),
}

impl BrokerState {
    pub(crate) fn connected(now: Instant) -> Self {
        Self { link: Link::Connected { since: now }, connects: 1, denial: None, denials: 0 }
    }

    /// The client's background is gone. False when its end was known already.
    pub(crate) fn background_ended(&mut self) -> bool {
        let is_news = !matches!(self.link, Link::Closed { .. });
        if is_news {
            let reason = "the NATS client panicked, as the lines above this one show; a stored message with a carriage return inside a header makes it do so each time that it is delivered. A worker that is started again dead-letters it, unless its subscription takes a part of the stream only: then find it behind the last recorded sequence and remove it with `nats stream rmm`";
            self.link = Link::Closed { reason: reason.to_owned() };
        }
        is_news
    }

    /// True while the servers can be talked to.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        matches!(self.link, Link::Connected { .. })
    }

    /// Takes one event in, and says what follows from it.
    pub(crate) fn apply(&mut self, event: &Event, now: Instant) -> Consequence {
        match event {
            Event::Connected => {
                self.reconnected(now);
                Consequence::None
            }
            Event::Disconnected => {
                self.link = Link::Disconnected { since: now, reason: None };
                Consequence::RepliesLost
            }
            Event::Closed => self.closed("the connection was closed by this process"),
            Event::ClientError(ClientError::MaxReconnects) => {
                self.closed("every reconnect attempt that NATS_RECONNECT_MAX allows was used up")
            }
            Event::ClientError(ClientError::Other(reason)) => {
                self.attempt_failed(reason);
                Consequence::None
            }
            Event::ServerError(ServerError::Other(text)) => self.server_said(text),
            Event::ServerError(ServerError::AuthorizationViolation | ServerError::SlowConsumer(_))
            | Event::ClientError(ClientError::ServerNotInPool)
            | Event::LameDuckMode
            | Event::Draining
            | Event::SlowConsumer(_) => Consequence::None,
        }
    }

    fn reconnected(&mut self, now: Instant) {
        // The first connection is announced after the state was made: it counts once.
        if !self.is_connected() {
            self.connects += 1;
            self.link = Link::Connected { since: now };
        }
    }

    fn closed(&mut self, reason: &str) -> Consequence {
        self.link = Link::Closed { reason: reason.to_owned() };
        Consequence::RepliesLost
    }

    fn attempt_failed(&mut self, why: &str) {
        if let Link::Disconnected { since: _, reason } = &mut self.link {
            *reason = Some(why.to_owned());
        }
    }

    fn server_said(&mut self, text: &str) -> Consequence {
        match parse_denial(text) {
            Some(denial) => {
                self.denial = Some(denial.clone());
                self.denials += 1;
                Consequence::Denied(denial)
            }
            None => Consequence::None,
        }
    }
}

/// `Permissions Violation for Publish to "a.b"` and its kin.
fn parse_denial(text: &str) -> Option<Denial> {
    let lower = text.to_ascii_lowercase();
    let rest = lower.strip_prefix("permissions violation for ")?;
    let action = if rest.starts_with("publish with reply") {
        DeniedAction::Reply
    } else if rest.starts_with("publish") {
        DeniedAction::Publish
    } else {
        DeniedAction::Subscribe
    };
    let subject = text.split('"').nth(1).unwrap_or_default();
    Some(Denial { action, subject: subject.to_owned(), text: text.to_owned() })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use async_nats::{ClientError, Event, ServerError};
    use tokio::time::Instant;

    use super::{BrokerState, Consequence, DeniedAction, Link, parse_denial};

    #[test]
    fn denials_are_read() {
        let cases = [
            (r#"Permissions Violation for Publish to "a.b""#, DeniedAction::Publish, "a.b"),
            (r#"Permissions Violation for Subscription to "c.>""#, DeniedAction::Subscribe, "c.>"),
            (
                r#"Permissions Violation for Subscription to "c.>" using queue "q""#,
                DeniedAction::Subscribe,
                "c.>",
            ),
            (
                r#"Permissions Violation for Publish with Reply of "_INBOX.x""#,
                DeniedAction::Reply,
                "_INBOX.x",
            ),
        ];
        for (text, action, subject) in cases {
            let denial = parse_denial(text).unwrap();
            assert_eq!((denial.action, denial.subject.as_str()), (action, subject), "{text}");
        }
        assert_eq!(parse_denial("Maximum Connections Exceeded"), None);
    }

    #[test]
    fn a_lost_connection_counts_once() {
        let now = Instant::now();
        let mut state = BrokerState::connected(now);
        assert_eq!(state.apply(&Event::Connected, now), Consequence::None);
        assert_eq!(state.connects, 1);
        assert_eq!(state.apply(&Event::Disconnected, now), Consequence::RepliesLost);
        state.apply(&Event::ClientError(ClientError::Other("IO error".to_owned())), now);
        let reason = match &state.link {
            Link::Disconnected { reason, .. } => reason.clone(),
            Link::Connected { .. } | Link::Closed { .. } => None,
        };
        assert_eq!(reason.as_deref(), Some("IO error"));
        state.apply(&Event::Connected, now);
        assert_eq!((state.connects, state.is_connected()), (2, true));
        state.apply(&Event::ServerError(ServerError::SlowConsumer(1)), now);
        state.apply(&Event::ClientError(ClientError::MaxReconnects), now);
        assert!(matches!(state.link, Link::Closed { .. }));
    }
}
