use proptest::prelude::*;

use crate::file::with_file;
use crate::load;

const VARIABLES: &[&str] = &[
    "CONTEXT",
    "DB_URL",
    "NATS_SERVERS",
    "NATS_USER",
    "NATS_PASSWORD",
    "NATS_CREDS",
    "NATS_AUTH_TOKEN",
    "JETSTREAM_DOMAIN",
    "TOPOLOGY",
    "STREAM_REPLICAS",
    "PUBLISH_STREAM",
    "PUBLISH_PREFIX",
    "DLQ_PREFIX",
    "CONSUME_STREAM",
    "CONSUME_SUBJECT",
    "CONSUMER_DURABLE",
    "CONSUMER_GROUP",
    "HANDLER_URL",
    "HANDLER_SECRET",
    "MAX_INFLIGHT",
    "RETRY_BASE_MS",
    "METRICS_HOST",
    "METRICS_PORT",
    "OUTBOX_RETENTION_DAYS",
    "CONFIG_FILE",
    "CONTRACTS_DIR",
    "NATS_TLS_CA",
];

/// Numbers that stand alone: key, lowest, highest.
const NUMBERS: &[(&str, u64, u64)] = &[
    ("nats_connect_timeout_ms", 1, 300_000),
    ("metrics_port", 0, 65_535),
    ("shutdown_grace_secs", 0, 3_600),
    ("publish_batch", 1, 20_000),
];

/// Texts near the grammars, and any text.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        "\\PC{0,40}",
        "[a-z_]{1,8}(\\.[a-z*>]{0,5}){0,4}",
        "(nats|tls|http|postgres)://[a-z:@/?#.0-9\\[\\]%]{0,30}",
        "[0-9]{1,25}",
    ]
}

proptest! {
    #[test]
    fn any_environment_is_taken_or_refused(
        vars in prop::collection::vec((prop::sample::select(VARIABLES), value()), 0..12)
    ) {
        let vars: Vec<(&str, &str)> = vars.iter().map(|(name, text)| (*name, text.as_str())).collect();
        match load(&vars) {
            Ok(settings) => prop_assert!(!settings.describe().is_empty()),
            Err(error) => prop_assert!(!error.problems().is_empty()),
        }
    }

    #[test]
    fn any_file_is_taken_or_refused(text in "[\\[\\]a-z_=\"'.0-9\n ]{0,120}") {
        if let Err(error) = with_file(&text, &[]) {
            prop_assert!(!error.problems().is_empty());
        }
    }

    #[test]
    fn a_variable_wins_over_the_file(
        (key, env, file) in prop::sample::select(NUMBERS)
            .prop_flat_map(|(key, low, high)| (Just(key), low..=high, low..=high))
    ) {
        let text = format!("{key} = {file}");
        let listed = |vars: &[(&str, &str)]| with_file(&text, vars).unwrap().describe();
        let (name, value) = (key.to_ascii_uppercase(), env.to_string());
        let (file_line, env_line) = (format!("{key} = {file}\n"), format!("{key} = {env}\n"));
        prop_assert!(listed(&[]).contains(&file_line));
        prop_assert!(listed(&[(&name, &value)]).contains(&env_line));
    }

    #[test]
    fn no_message_repeats_a_password(password in "[A-Z]{12}", rest in value()) {
        let url = format!("postgres://w:{password}{rest}@db.internal/sea_db");
        let vars = [
            ("CONTEXT", "sea"), ("DB_URL", url.as_str()), ("NATS_AUTH_TOKEN", &password), ("NATS_USER", &password),
        ];
        let error = load(&vars).unwrap_err().to_string();
        prop_assert!(!error.contains(&password), "{}", error);
        let shown = load(&vars[..3]).map_or_else(|error| error.to_string(), |settings| settings.describe());
        prop_assert!(!shown.contains(&password), "{}", shown);
    }
}
