use crate::program::{sea_mq, with_env};

const GOOD: [(&str, &str); 2] =
    [("CONTEXT", "sea"), ("DB_URL", "postgres://sea_worker:hidden@127.0.0.1/sea_db")];

#[test]
fn every_problem_is_listed_and_the_code_is_64() {
    let run = with_env(&["config", "check"], &[("CONTEXT", "Sea"), ("MAX_DELIVER", "lots")]);
    run.refused(64, "MAX_DELIVER");
    assert!(run.err.contains("CONTEXT") && run.err.contains("DB_URL"), "{run:?}");
}

#[test]
fn good_settings_are_shown_without_secrets() {
    assert!(with_env(&["config", "check"], &GOOD).done().contains("sea"));
    let shown = with_env(&["config", "show"], &GOOD).done();
    assert!(shown.contains("context = ") && !shown.contains("hidden"), "{shown}");
    let json = with_env(&["--json", "config", "show"], &GOOD).json();
    assert_eq!(json["context"], "sea");
}

#[test]
fn usage_is_2() {
    for args in [
        &[][..],
        &["nonsense"],
        &["db"],
        &["db", "provision"],
        &["db", "status", "--context", "Not-A-Name", "--url", "postgres://h/d"],
    ] {
        assert_eq!(sea_mq(args).code, 2, "{args:?}");
    }
}
