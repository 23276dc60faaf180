//! Each rule can be broken, and is named when it is.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::future::join_all;
use sea_mq_conform::{Finding, IDLE, RULES, Report, Settings, Verdict};

use crate::context::{CONSUMER, Context, SECRET};
use crate::server::Server;

/// What a handler does wrong, and which rules it breaks by it.
const FAULTS: &[(&str, &[&str])] = &[
    ("live is 500", &["health.live"]),
    ("ready is 500", &["health.ready"]),
    ("one event only", &["call.processed"]),
    ("nothing is marked", &["call.marked"]),
    ("it is marked after the answer", &["call.marked"]),
    ("marks before it acts", &["call.marked"]),
    ("extra fields are 400", &["call.extra_fields"]),
    ("a fence is an attempt", &["call.redriven"]),
    ("large calls are 413", &["call.large"]),
    ("connections live for 2 s", &["call.idle_connection"]),
    ("a repeated attempt is 200", &["attempt.repeated"]),
    ("a repeated attempt happens again", &["attempt.repeated"]),
    ("of two at once both are 200", &["attempt.at_once"]),
    ("outdated attempts are 409", &["attempt.outdated"]),
    ("MQ101 is 409", &["attempt.overtaken"]),
    ("what a worker settled is 200", &["attempt.settled"]),
    ("a successor's success is 200", &["attempt.racing"]),
    ("MQ103 is 500", &["attempt.settled"]),
    ("a cut-off call blocks its message", &["attempt.hung_up"]),
    ("a hung-up call leaves its transaction open", &["attempt.hung_up"]),
    ("it happens after the answer", &["attempt.late"]),
    ("unknown messages are 409", &["refusal.unknown_message"]),
    ("unknown events are 422", &["refusal.unknown_event"]),
    ("invalid payloads are 400", &["refusal.invalid_payload", "batch.invalid_payload"]),
    ("the payload is quoted", &["refusal.discreet"]),
    ("malformed calls are 422", &["refusal.malformed_call"]),
    ("emitted without correlation", &["emitted.correlation"]),
    ("emitted without causation", &["emitted.causation"]),
    ("emitted without trace", &["emitted.trace"]),
    ("emitted events say nothing", &["emitted.causation"]),
    ("another contract", &["capabilities.form"]),
    ("events are not listed", &["capabilities.listed"]),
    ("the last of many is left out", &["batch.processed", "batch.repeated"]),
    ("a batch of done events is 200", &["batch.repeated"]),
    ("long answers to batches", &["batch.processed", "batch.repeated"]),
    ("MQ103 of batches is 200", &["batch.at_once"]),
    ("MQ101 of batches is 409", &["batch.overtaken"]),
    ("one bad payload fails the batch", &["batch.invalid_payload"]),
    ("a done event beside others is 500", &["batch.done"]),
    ("outdated attempts of batches are 409", &["batch.outdated"]),
    ("unknown messages of batches are 409", &["batch.unknown_message"]),
    ("unknown events of batches are 422", &["batch.unknown_event"]),
    ("a malformed item is 422", &["batch.malformed_item"]),
    ("more than max_events are taken", &["batch.too_many"]),
    ("an empty batch is 200", &["batch.no_batch"]),
    (
        "batches are answered in reverse",
        &[
            "batch.overtaken",
            "batch.invalid_payload",
            "batch.done",
            "batch.outdated",
            "batch.unknown_message",
            "batch.unknown_event",
        ],
    ),
    ("unsigned calls", &["signature.unsigned"]),
    ("reads before it refuses", &["signature.unsigned"]),
    ("any signature", &["signature.wrong_key", "signature.changed_body"]),
    ("old signatures", &["signature.stale"]),
    ("one signature only", &["signature.several"]),
    ("unsigned capabilities", &["signature.capabilities"]),
    ("unsigned batches", &["signature.batch"]),
    ("health wants a signature", &["signature.health"]),
];

/// Handlers that are judged at the same time, each on a database of its own.
const AT_ONCE: usize = 5;

async fn judged(context: &Context, fault: &'static str) -> Report {
    let server = Server::start(context, fault).await;
    let settings = context.settings(&server.url, Some(SECRET));
    let idle = if fault == "connections live for 2 s" { IDLE } else { settings.idle };
    context.judge(Settings { idle, ..settings }).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_fault_is_named_and_no_other() {
    let lanes = FAULTS.chunks(FAULTS.len().div_ceil(AT_ONCE)).map(|faults| async move {
        let context = Context::new().await;
        let mut wrong = Vec::new();
        for (fault, rules) in faults {
            let report = judged(&context, fault).await;
            if report.failed() != *rules {
                wrong.push(format!("{fault}: {rules:?} expected\n{}", report.to_text()));
            }
        }
        wrong
    });
    let wrong: Vec<String> = join_all(lanes).await.into_iter().flatten().collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_rule_can_be_broken() {
    let broken: BTreeSet<&str> = FAULTS.iter().flat_map(|(_, rules)| *rules).copied().collect();
    let unbroken: Vec<&str> =
        RULES.iter().map(|rule| rule.name).filter(|name| !broken.contains(name)).collect();
    assert!(unbroken.is_empty(), "{unbroken:?}");
}

#[tokio::test]
async fn a_handler_that_keeps_every_rule_passes_them_all_and_leaves_nothing_open() {
    let context = Context::new().await;
    let report = judged(&context, "").await;
    let passed = |report: &Report| report.findings.iter().all(|it| it.verdict == Verdict::Passed);
    assert!(passed(&report), "{}", report.to_text());
    assert_eq!(report.findings.len(), RULES.len());
    assert_eq!(report.unfinished, None);
    let open = "SELECT count(*) FROM inbox_messages
                WHERE consumer = $1 AND (state <> 'processed' OR received_at > '2000-01-02')";
    let open: i64 = sqlx::query_scalar(open).bind(CONSUMER).fetch_one(&context.worker).await.unwrap();
    assert_eq!(open, 0);
    let deleted: i64 = sqlx::query_scalar("SELECT inbox_cleanup('31 days', 10000)")
        .fetch_one(&context.worker)
        .await
        .unwrap();
    assert!(deleted > 80, "a worker's clean-up deletes them: {deleted}");
}

#[tokio::test]
async fn what_is_wrong_with_a_mark_is_told() {
    let context = Context::new().await;
    for (fault, said) in [
        ("nothing is marked", "its effects happen at least once"),
        (
            "marks before it acts",
            "it was marked processed in an earlier transaction than the one it emitted in",
        ),
    ] {
        let text = judged(&context, fault).await.to_text();
        assert!(text.contains(said), "{text}");
    }
}

#[tokio::test]
async fn what_a_handler_still_holds_is_left_and_told() {
    let context = Context::new().await;
    let report = judged(&context, "a hung-up call leaves its transaction open").await;
    assert_eq!(report.failed(), ["attempt.hung_up"], "{}", report.to_text());
    assert!(report.to_text().contains("has left a transaction open"), "{}", report.to_text());
    let unfinished = report.unfinished.unwrap_or_default();
    assert!(unfinished.starts_with("1 made-up events are still open"), "{unfinished}");
}

#[tokio::test]
async fn a_moment_that_is_not_reached_is_not_passed() {
    let context = Context::new().await;
    let server = Server::start(&context, "it takes its time").await;
    let settings = context.settings(&server.url, Some(SECRET));
    let report = context.judge(Settings { patience: Duration::from_millis(1), ..settings }).await;
    let unreached =
        |it: &&Finding| matches!(&it.verdict, Verdict::NotApplicable(why) if why.contains("mark"));
    let unreached: Vec<&str> = report.findings.iter().filter(unreached).map(|it| it.rule.name).collect();
    let held = [
        "attempt.at_once",
        "attempt.overtaken",
        "attempt.settled",
        "attempt.hung_up",
        "batch.at_once",
        "batch.overtaken",
    ];
    assert_eq!(unreached, held, "{}", report.to_text());
    assert_eq!(report.failed(), Vec::<&str>::new(), "{}", report.to_text());
}

#[tokio::test]
async fn a_handler_that_does_not_join_is_judged_by_the_rest() {
    let context = Context::new().await;
    let server = Server::start(&context, "nothing is marked").await;
    let settings = context.settings(&server.url, Some(SECRET));
    let report = context.judge(Settings { at_least_once: true, ..settings }).await;
    assert_eq!(report.failed(), Vec::<&str>::new(), "{}", report.to_text());
    let totals = report.totals();
    assert!(totals.passed > 20 && totals.not_applicable > 15, "{}", report.to_text());
}

#[tokio::test]
async fn signed_calls_need_the_secret() {
    let context = Context::new().await;
    let server = Server::start(&context, "").await;
    let report = context.judge(context.settings(&server.url, None)).await;
    assert!(report.to_text().contains("give its secret in HANDLER_SECRET"), "{}", report.to_text());
}

#[tokio::test]
async fn a_real_consumer_is_left_alone() {
    let context = Context::new().await;
    let server = Server::start(&context, "").await;
    let insert =
        "INSERT INTO inbox_streams (consumer, stream, stream_created_at) VALUES ('me__from_you', 'S', now())";
    sqlx::query(insert).execute(&context.worker).await.unwrap();
    let settings = context.settings(&server.url, Some(SECRET));
    let settings = Settings { consumer: "me__from_you".to_owned(), ..settings };
    let refused = sea_mq_conform::run(settings, context.worker.clone()).await.unwrap_err();
    assert!(refused.to_string().contains("choose a name that nobody consumes"), "{refused}");
}

#[test]
fn every_rule_is_documented_as_it_is_reported() {
    let page = sea_mq_stack::project_root().join("docs/reference/conformance.md");
    let page = std::fs::read_to_string(page).unwrap();
    let contract = sea_mq_stack::project_root().join("docs/reference/handler-contract.md");
    let contract = std::fs::read_to_string(contract).unwrap().to_lowercase().replace(' ', "-");
    for rule in RULES {
        assert!(page.contains(&format!("| `{}` | {} |\n", rule.name, rule.expected)), "{}", rule.name);
        assert!(contract.contains(&format!("\n##-{}\n", rule.section)), "{}", rule.section);
    }
}
