//! Every key that exists. A variable is a key in upper case.

/// Read once for the whole worker.
const WORKER: &[&str] = &[
    "context",
    "nats_servers",
    "nats_url",
    "nats_tls_cert",
    "nats_tls_key",
    "nats_tls_ca",
    "nats_connect_timeout_ms",
    "nats_reconnect_max",
    "nats_reconnect_delay_ms",
    "jetstream_domain",
    "topology",
    "stream_replicas",
    "stream_max_bytes",
    "publish_stream",
    "publish_prefix",
    "publish_in_flight_messages",
    "publish_in_flight_bytes",
    "publish_batch",
    "contracts_dir",
    "dlq_prefix",
    "dlq_stream",
    "outbox_retention_days",
    "inbox_retention_days",
    "metrics_host",
    "metrics_port",
    "log_format",
    "rust_log",
    "otel_exporter_otlp_endpoint",
    "shutdown_grace_secs",
];

/// Secrets; each may come from a file instead, named by the key with `_file` behind it.
const SECRETS: &[(&str, &str)] = &[
    ("db_url", "db_url_file"),
    ("nats_user", "nats_user_file"),
    ("nats_password", "nats_password_file"),
    ("nats_creds", "nats_creds_file"),
    ("nats_auth_token", "nats_auth_token_file"),
    ("handler_secret", "handler_secret_file"),
];

/// What tells one subscription from another; a variable speaks of the first subscription.
pub(crate) const IDENTITY: &[&str] =
    &["consume_stream", "consume_subject", "consumer_durable", "durable_name", "consumer_group"];

/// How a subscription is worked; outside a table they speak of every subscription.
const WORKING: &[&str] = &[
    "handler_url",
    "batch_size",
    "max_inflight",
    "consumer_max_ack_pending",
    "ack_wait_secs",
    "max_deliver",
    "inbox_window",
    "inbox_waiting_max",
    "handler_timeout_secs",
    "retry_base_ms",
    "retry_cap_secs",
    "on_dead_letter",
];

/// Keys that a `[[subscription]]` table may have.
pub(crate) fn of_subscription() -> impl Iterator<Item = &'static str> + Clone {
    IDENTITY.iter().chain(WORKING).copied()
}

/// Keys at the top of the file; in upper case also the variables.
pub(crate) fn of_worker() -> impl Iterator<Item = &'static str> + Clone {
    let secrets = SECRETS.iter().flat_map(|(key, file)| [*key, *file]);
    WORKER.iter().copied().chain(secrets).chain(of_subscription())
}

/// True for a variable that is read.
pub(crate) fn is_variable(name: &str) -> bool {
    of_worker().any(|key| key.to_ascii_uppercase() == name)
}

/// The key that names the file holding the secret `key`.
pub(crate) fn file_variant(key: &str) -> Option<&'static str> {
    SECRETS.iter().find(|(secret, _)| *secret == key).map(|(_, file)| *file)
}

/// Longest text that is compared with the keys, in bytes: it costs its length for each of them.
const COMPARED_MAX: usize = 64;

/// The known key that `unknown` was most likely meant to be.
pub(crate) fn nearest(unknown: &str, known: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    if unknown.len() > COMPARED_MAX {
        return None;
    }
    let wanted = unknown.to_ascii_lowercase().replace('-', "_");
    known
        .map(|key| (edits(&wanted, key), key))
        .min()
        .filter(|(edits, key)| *edits * 3 <= key.len())
        .map(|(_, key)| key)
}

/// Levenshtein distance, one row at a time.
fn edits(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, to) in b.bytes().enumerate() {
            let replaced = diagonal + usize::from(from != to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::{edits, nearest, of_worker};

    #[test]
    fn edit_distance() {
        for (a, b, n) in [("", "", 0), ("abc", "", 3), ("kitten", "sitting", 3), ("ab", "ba", 2)] {
            assert_eq!(edits(a, b), n, "{a} {b}");
        }
    }

    #[test]
    fn suggests_only_what_is_near() {
        assert_eq!(nearest("MAX-INFLIGHT", of_worker()), Some("max_inflight"));
        assert_eq!(nearest("max_in_flight", of_worker()), Some("max_inflight"));
        assert_eq!(nearest("colour", of_worker()), None);
    }
}
