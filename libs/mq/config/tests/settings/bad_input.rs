//! Configurations that nobody meant: all that is wrong is listed, shortly, and no secret is.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, FileFailurePersistence, RngSeed};
use sea_mq_config::{ConfigError, Settings};

use crate::file::{file, with_file};
use crate::{consuming, load};

/// Stands in every secret.
const MARK: &str = "hunter2";

/// The same cases each time, unless `PROPTEST_RNG_SEED` says otherwise; more of them with `PROPTEST_CASES`.
fn config() -> Config {
    let told = Config::default();
    let rng_seed = if told.rng_seed == RngSeed::Random { RngSeed::Fixed(5) } else { told.rng_seed };
    let kept = FileFailurePersistence::Direct("tests/bad_input.regressions");
    Config { rng_seed, failure_persistence: Some(Box::new(kept)), ..told }
}

/// Every key that there is, as the source lists them.
fn keys() -> Vec<&'static str> {
    let source = include_str!("../../src/keys.rs");
    let lists = &source[..source.find("/// Keys that a").unwrap()];
    let is_key = |word: &&str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    let keys: Vec<&str> = lists.split('"').skip(1).step_by(2).filter(is_key).collect();
    assert!(keys.len() > 50 && keys.contains(&"db_url_file") && keys.contains(&"retry_cap_secs"), "{keys:?}");
    keys
}

fn is_secret(key: &str) -> bool {
    ["db_url", "nats_password", "nats_creds", "nats_auth_token", "handler_secret"].contains(&key)
}

/// Values that are none for any key, or hardly.
fn garbage() -> Vec<String> {
    let mut values: Vec<String> = [
        "\0",
        "\u{1b}[2J",
        "a\r\nCONTEXT=b",
        "\u{202e}",
        "-1",
        "+1",
        "1.5",
        "1e3",
        "0x10",
        "١",
        "NaN",
        "18446744073709551616",
        "340282366920938463463374607431768211456",
        "true",
        "null",
        "${DB_URL}",
        "$(id)",
        "../../../../etc/passwd",
        "/",
        "/dev/zero",
        "/proc/self/mem",
        "tcp://10.0.0.1:9101",
        "http://",
        "http://[",
        "http://[::1",
        "http://h:99999999/",
        "http://\u{0}/",
        "http:// h/",
        "nats://",
        "nats://,nats://",
        ",,,,",
        "postgres://",
        "postgres:///",
        "postgres://%zz",
        "a.b.c",
        "*",
        ">",
        ".",
        "..",
        "sea.",
        "-----BEGIN",
        "whsec_",
        "[]",
        "{}",
    ]
    .map(str::to_owned)
    .into();
    values.extend(["x", "9", ".", "é", "\u{1}", ","].map(|unit| unit.repeat(100_000)));
    values
}

/// Each problem is a short line, and says something.
fn check(error: &ConfigError) {
    assert!((1..=501).contains(&error.problems().len()), "{} problems", error.problems().len());
    for problem in error.problems() {
        let text = problem.to_string();
        assert!(!problem.setting.is_empty() && !problem.reason.is_empty(), "{text}");
        assert!(text.chars().count() <= 2000 && !text.contains(char::is_control), "{text:?}");
    }
    assert!(!error.to_string().contains(MARK), "{error}");
}

/// Whatever it is, it ends, and shows no secret.
fn check_loaded(loaded: &Result<Settings, ConfigError>) {
    match loaded {
        Ok(settings) => {
            let (listed, debugged) = (settings.describe(), format!("{settings:?}"));
            assert!(!listed.contains(MARK), "{listed}");
            assert!(!debugged.contains(MARK), "{debugged}");
        }
        Err(error) => check(error),
    }
}

#[test]
fn any_variable_may_hold_anything() {
    for key in keys() {
        let name = key.to_ascii_uppercase();
        for value in garbage() {
            // A path is shown.
            let marked = is_secret(key) && !value.starts_with('/');
            let value = if marked { format!("{value}{MARK}") } else { value };
            check_loaded(&consuming(&[(&name, &value)]));
        }
    }
}

#[test]
fn any_key_of_a_file_may_hold_anything() {
    let quoted = |text: String| toml::Value::String(text).to_string();
    let others = [
        "0",
        "-1",
        "9223372036854775807",
        "1e400",
        "nan",
        "inf",
        "false",
        "[]",
        "[[]]",
        "[1]",
        "{}",
        "{ a = { b = 1 } }",
        "1979-05-27T07:32:00Z",
        "07:32:00",
        "[\"nats://a\", 1]",
    ];
    let values: Vec<String> = garbage().into_iter().map(quoted).chain(others.map(str::to_owned)).collect();
    for key in keys().into_iter().chain(["subscription", "config_file", "\"\"", "\"\\u001b[2J\""]) {
        for value in values.iter().filter(|value| value.len() < 1000) {
            check_loaded(&with_file(&format!("{key} = {value}"), &[]));
            check_loaded(&with_file(&format!("[[subscription]]\n{key} = {value}"), &[]));
        }
    }
}

#[test]
fn all_that_is_wrong_is_listed_at_once() {
    let wrong: Vec<(String, String)> = keys()
        .into_iter()
        // A secret is said directly or by its file; a user goes with a password; others take any text.
        .filter(|key| !key.ends_with("_file") && !["nats_user", "rust_log", "contracts_dir"].contains(key))
        .map(|key| (key.to_ascii_uppercase(), format!("\u{1b}{}", if is_secret(key) { MARK } else { "?" })))
        .collect();
    let vars: Vec<(&str, &str)> = wrong.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let error = load(&vars).unwrap_err();
    check(&error);
    // Of several names for one thing the first counts, and a token may be any text.
    let shadowed = ["NATS_URL", "DURABLE_NAME", "CONSUMER_GROUP", "NATS_AUTH_TOKEN"];
    for (name, _) in vars.iter().filter(|(name, _)| !shadowed.contains(name)) {
        assert!(error.to_string().contains(name), "{name} is not in {error}");
    }
}

#[test]
fn a_key_where_its_file_s_path_belongs_is_not_shown() {
    let key = format!("-----BEGIN PRIVATE KEY-----\n{MARK}\n-----END PRIVATE KEY-----\n");
    for name in ["NATS_TLS_KEY", "NATS_TLS_CERT", "NATS_TLS_CA"] {
        let error = consuming(&[(name, &key)]).unwrap_err();
        check(&error);
        assert!(error.to_string().contains(&format!("{name}: is the text of a file")), "{error}");
    }
}

/// None of them may take long, or the stack.
#[test]
fn files_that_are_no_configuration_are_refused_in_time() {
    let started = Instant::now();
    let unknown = |count: usize| {
        (0..count).fold(String::new(), |mut text, n| {
            let _ = writeln!(text, "k{n}=1");
            text
        })
    };
    for (what, text) in [
        ("arrays", format!("a = {}", "[".repeat(500_000))),
        ("closed arrays", format!("a = {}{}", "[".repeat(250_000), "]".repeat(250_000))),
        ("tables", format!("a = {}", "{a=".repeat(200_000))),
        ("dotted keys", format!("a{} = 1", ".a".repeat(400_000))),
        ("dotted header", format!("[a{}]", ".a".repeat(400_000))),
        ("dotted tables", format!("[[subscription{}]]", ".a".repeat(400_000))),
        ("a long key", format!("{} = 1", "k".repeat(1_000_000))),
        ("a long text", format!("a = \"{}", "x".repeat(1_000_000))),
        ("many unknown keys", unknown(100_000)),
        ("many subscriptions", "[[subscription]]\n".repeat(60_000)),
        ("many wrong subscriptions", "[[subscription]]\nmax_inflight=0\n".repeat(30_000)),
        ("too large", "#".repeat(1_048_577)),
        ("NUL", "a = \"\0\"".to_owned()),
        ("the same key", "context = \"a\"\ncontext = \"b\"".to_owned()),
    ] {
        let error = with_file(&text, &[]).expect_err(what);
        check(&error);
        assert!(started.elapsed() < Duration::from_secs(20), "{what} took long");
    }
    let bytes = file("");
    std::fs::write(bytes.path(), b"context = \"\xff\"").unwrap();
    for path in [bytes.path().to_str().unwrap(), "/", "/dev/zero", "/dev/null/x", "\0", "\u{1b}[2J"] {
        check(&consuming(&[("CONFIG_FILE", path), ("MAX_INFLIGHT", "0")]).expect_err(path));
    }
}

/// A whole file, with a secret wherever one may stand.
const WHOLE: &str = r#"
context = "sea"
db_url = "postgres://sea_worker:hunter2@127.0.0.1:5432/sea_db?password=hunter2"
nats_servers = ["nats://a:4222", "nats://b:4222"]
nats_user = "sea"
nats_password = "hunter2"
handler_secret = "whsec_hunter2hunter2hunter2hunter2hunter2"
max_inflight = 10

[[subscription]]
consume_stream = "VIBESPRO_EVENTS"
handler_url = "http://127.0.0.1:7001/handle"
on_dead_letter = "hold"
"#;

/// The file with one of its places changed.
fn damaged() -> impl Strategy<Value = String> {
    let odd = prop_oneof![
        prop::sample::select(&[
            "\"", "'", "\"\"\"", "[", "]", "[[", "=", "\n", "\\", "#", "{", "\\u", ".", "\0", ""
        ])
        .prop_map(str::to_owned),
        any::<String>(),
        "[a-z_]{1,8} = [0-9\"a-z]{0,8}\n",
    ];
    let change = (any::<Index>(), 0..12_usize, odd);
    prop::collection::vec(change, 1..4).prop_map(|changes| {
        let mut text: Vec<char> = WHOLE.chars().collect();
        for (at, length, odd) in changes {
            let at = at.index(text.len() + 1);
            text.splice(at..(at + length).min(text.len()), odd.chars());
        }
        text.into_iter().collect()
    })
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_damaged_file_is_taken_or_refused_and_shows_no_secret(text in damaged()) {
        // Only while the damage leaves the secrets where secrets stand.
        let stands = |line: &str| line.starts_with("db_url = \"postgres://sea_worker:hunter2@127.0.0.1:5432/sea_db?")
            || line.starts_with("nats_password = \"") || line.starts_with("handler_secret = \"whsec_");
        let marked = |text: &str| text.contains("unte");
        prop_assume!(!text.contains("\"\"\"") && !text.contains("'''"));
        prop_assume!(text.lines().filter(|line| marked(line)).all(stands));
        let file = file(&text);
        let loaded = load(&[("CONFIG_FILE", file.path().to_str().unwrap())]);
        check_loaded(&loaded);
    }

    #[test]
    fn any_bytes_of_a_file_are_taken_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let file = file("");
        std::fs::write(file.path(), bytes).unwrap();
        check_loaded(&consuming(&[("CONFIG_FILE", file.path().to_str().unwrap())]));
    }

    #[test]
    fn any_text_of_any_variable(
        vars in prop::collection::vec((prop::sample::select(keys()), any::<String>()), 0..10)
    ) {
        let vars: Vec<(String, String)> = vars.into_iter().map(|(key, text)| (key.to_ascii_uppercase(), text)).collect();
        let vars: Vec<(&str, &str)> = vars.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        check_loaded(&consuming(&vars));
    }
}
