use sea_mq_config::NatsAuth;

use crate::file::file;
use crate::with;

const CREDS: &str = "-----BEGIN NATS USER JWT-----\nhunter2\n------END NATS USER JWT------\n";

#[test]
fn a_secret_may_come_from_a_file() {
    let password = file("hunter2\n");
    let path = password.path().to_str().unwrap();
    let settings = with(&[("NATS_USER", "sea"), ("NATS_PASSWORD_FILE", path)]).unwrap();
    let NatsAuth::User { user, password } = settings.nats.auth else { panic!("a user") };
    assert_eq!((user.as_str(), password.expose()), ("sea", "hunter2"));
}

#[test]
fn credentials_by_path_by_file_variant_and_by_text() {
    let creds = file(CREDS);
    let path = creds.path().to_str().unwrap();
    for var in [("NATS_CREDS", path), ("NATS_CREDS_FILE", path), ("NATS_CREDS", CREDS)] {
        let auth = with(&[var]).unwrap().nats.auth;
        let NatsAuth::Credentials(text) = auth else { panic!("{var:?}: {auth:?}") };
        assert!(text.expose().contains("hunter2"));
    }
}

#[test]
fn an_environment_file_beats_a_secret_of_the_configuration_file() {
    let (token, config) = (file("from-env"), file("nats_auth_token = \"from-file\""));
    let [token, config] = [&token, &config].map(|file| file.path().to_str().unwrap());
    let auth = with(&[("NATS_AUTH_TOKEN_FILE", token), ("CONFIG_FILE", config)]).unwrap().nats.auth;
    let NatsAuth::Token(token) = auth else { panic!("{auth:?}") };
    assert_eq!(token.expose(), "from-env");
}

#[test]
fn what_is_wrong_is_said_without_the_secret() {
    let (empty, no_creds) = (file(" \n"), file("hunter2"));
    let [empty, no_creds] = [&empty, &no_creds].map(|file| file.path().to_str().unwrap());
    for (vars, expected) in [
        (&[("NATS_AUTH_TOKEN", "hunter2"), ("NATS_AUTH_TOKEN_FILE", empty)][..], "not both"),
        (&[("NATS_AUTH_TOKEN_FILE", "hunter2")], "cannot be read"),
        (&[("NATS_AUTH_TOKEN_FILE", empty)], "is empty"),
        (&[("NATS_CREDS", "hunter2")], "cannot be read"),
        (&[("NATS_CREDS", no_creds)], "no NATS credentials"),
        (&[("NATS_CREDS_FILE", no_creds)], "no NATS credentials"),
        (&[("NATS_PASSWORD", "hunter2")], "needs NATS_USER"),
        (&[("NATS_AUTH_TOKEN", "hunter2"), ("NATS_CREDS", CREDS)], "only one way"),
        (&[("HANDLER_SECRET", "whsec_hunter2")], "24 to 64"),
        (&[("HANDLER_SECRET_FILE", no_creds)], "24 to 64"),
        (&[("NATS_URL", "nats://sea:hunter2@127.0.0.1:4222")], "must not hold a user"),
        (&[("DB_URL", "postgres://w:hun#ter2hunter2@h/d")], "DB_URL"),
    ] {
        let error = with(vars).expect_err(expected).to_string();
        assert!(error.contains(expected), "{expected} is not in {error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}

#[test]
fn listing_and_debug_show_no_secret() {
    let settings = with(&[("NATS_USER", "sea"), ("NATS_PASSWORD", "hunter2")]).unwrap();
    for shown in [settings.describe(), format!("{settings:?}")] {
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(shown.contains("***"), "{shown}");
    }
    assert!(settings.describe().contains("db_url = \"postgres://sea_worker:***@127.0.0.1:5432/sea_db\""));
}

#[test]
fn calls_are_signed_with_every_key_that_is_said() {
    let first = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let second = "whsec_bm90IHRoZSBzZWNyZXQgb2YgdGhpcyBoYW5kbGVy";
    let both = file(&format!("{first} {second}\n"));
    let settings = with(&[("HANDLER_SECRET_FILE", both.path().to_str().unwrap())]).unwrap();
    assert_eq!(settings.signing_keys.expose().iter().map(Vec::len).collect::<Vec<_>>(), [24, 30]);
    for shown in [settings.describe(), format!("{settings:?}")] {
        assert!(!shown.contains("MfKQ9r8G") && !shown.contains("bm90IHRo"), "{shown}");
    }
    assert!(settings.describe().contains("handler_secret = \"***\""));
    assert!(with(&[]).unwrap().signing_keys.expose().is_empty());
    assert!(with(&[("HANDLER_SECRET", &format!("{first} hunter2"))]).is_err(), "one of them is none");
}
