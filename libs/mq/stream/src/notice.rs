/// What a status message on the pull's inbox says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Notice {
    /// The server is alive and has nothing.
    Heartbeat,
    /// One request ended in the usual way; what it had left will not come.
    Ended,
    /// The consumer was deleted, and every request with it.
    ConsumerDeleted,
    /// The consumer's leader changed or its server stops: ask again.
    Moved(String),
    /// Nobody serves the consumer (503): it is gone, or has no leader at this moment.
    NoResponders,
    /// The server does not take the request: its words.
    Rejected(String),
}

/// Reads a status. Descriptions are those of nats-server 2.10 to 2.15.
pub(crate) fn notice(status: u16, description: &str) -> Notice {
    let lower = description.to_ascii_lowercase();
    match status {
        100 => Notice::Heartbeat,
        404 | 408 => Notice::Ended,
        503 => Notice::NoResponders,
        409 if lower.contains("consumer deleted") => Notice::ConsumerDeleted,
        409 if lower.contains("leadership change") || lower.contains("server shutdown") => {
            Notice::Moved(description.to_owned())
        }
        409 if lower.contains("batch completed") || lower.contains("message size exceeds maxbytes") => {
            Notice::Ended
        }
        409 if lower.contains("interest expired") || lower.contains("maxwaiting") => Notice::Ended,
        _refused => Notice::Rejected(format!("status {status}: {description}")),
    }
}

#[cfg(test)]
mod tests {
    use super::{Notice, notice};

    #[test]
    fn table() {
        let rejected = |text: &str| Notice::Rejected(text.to_owned());
        let cases = [
            (100, "Idle Heartbeat", Notice::Heartbeat),
            (404, "No Messages", Notice::Ended),
            (408, "Request Timeout", Notice::Ended),
            (408, "Interest Expired", Notice::Ended),
            (503, "", Notice::NoResponders),
            (409, "Consumer Deleted", Notice::ConsumerDeleted),
            (409, "Leadership Change", Notice::Moved("Leadership Change".to_owned())),
            (409, "Server Shutdown", Notice::Moved("Server Shutdown".to_owned())),
            (409, "Batch Completed", Notice::Ended),
            (409, "Message Size Exceeds MaxBytes", Notice::Ended),
            (409, "Exceeded MaxWaiting", Notice::Ended),
            (409, "Consumer is push based", rejected("status 409: Consumer is push based")),
            (409, "Exceeded MaxRequestBatch of 10", rejected("status 409: Exceeded MaxRequestBatch of 10")),
            (400, "Bad Request", rejected("status 400: Bad Request")),
            (423, "Nats-Wrong-Pin-Id", rejected("status 423: Nats-Wrong-Pin-Id")),
        ];
        for (status, description, want) in cases {
            assert_eq!(notice(status, description), want, "{status} {description}");
        }
    }
}
