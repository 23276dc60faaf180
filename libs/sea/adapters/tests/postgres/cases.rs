use std::sync::Arc;

use sea_app::{Call, CompleteTask, OpenCase, RequestedTask, SeaError};
use sea_domain::{Case, CaseState, CaseTitle, PersonName, TaskId, TaskKind, TaskTitle, VibeRef};
use sea_mq_contracts::Contracts;
use sea_mq_stack::project_root;
use sea_ports::{Applied, CaseFilter, IdempotencyKey, PageLimit, PageRequest, Trace};
use sqlx::Row as _;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::support;
use crate::{SeaCases, cases_of};

fn request(title: &str, tasks: usize) -> OpenCase {
    let task = |number| RequestedTask {
        kind: TaskKind::Review,
        title: TaskTitle::parse(&format!("task {number}")).unwrap(),
    };
    OpenCase {
        title: CaseTitle::parse(title).unwrap(),
        vibe_id: Some(VibeRef::parse("v-1").unwrap()),
        tasks: (0..tasks).map(task).collect(),
    }
}

fn keyed(key: &str) -> Call {
    Call { key: Some(IdempotencyKey::parse(key).unwrap()), ..Call::default() }
}

fn by(task_id: TaskId, name: &str) -> CompleteTask {
    CompleteTask { task_id, completed_by: PersonName::parse(name).unwrap() }
}

async fn opened(cases: &SeaCases, tasks: usize) -> Case {
    match cases.open(request("A case", tasks), Call::default()).await.unwrap() {
        Applied::Now(case) | Applied::Before(case) => case,
    }
}

#[tokio::test]
async fn a_case_and_its_event_are_kept_together() {
    let database = support::sea().await;
    let cases = cases_of(&database);
    let correlation_id = Some(Uuid::from_u128(7));
    let traceparent = Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned());
    let call = Call { trace: Trace { correlation_id, traceparent: traceparent.clone() }, key: None };
    let Applied::Now(case) = cases.open(request(" A case ", 3), call).await.unwrap() else { panic!() };
    assert_eq!(cases.case(case.fields().case_id).await.unwrap(), case, "what was answered is what is read");
    let row = sqlx::query(
        "SELECT subject, aggregate_type, aggregate_id, payload, correlation_id, trace_id, occurred_at FROM outbox_events",
    )
    .fetch_one(&mut database.app().await)
    .await
    .unwrap();
    assert_eq!(row.get::<String, _>("subject"), "sea.event.case_created.v1");
    assert_eq!(row.get::<String, _>("aggregate_type"), "case");
    assert_eq!(row.get::<String, _>("aggregate_id"), case.fields().case_id.to_string());
    assert_eq!(row.get::<Option<Uuid>, _>("correlation_id"), correlation_id);
    assert_eq!(row.get::<Option<String>, _>("trace_id"), traceparent);
    assert_eq!(row.get::<time::OffsetDateTime, _>("occurred_at"), case.fields().opened_at);
    let payload: serde_json::Value = row.get("payload");
    assert_eq!(payload["title"], "A case");
    assert_eq!(payload["vibe_id"], "v-1");
    assert_eq!(payload["tasks"][2]["title"], "task 2");
    assert_eq!(payload["tasks"][0]["kind"], "review");
}

#[tokio::test]
async fn what_is_emitted_keeps_its_contract() {
    let database = support::sea().await;
    let cases = cases_of(&database);
    let case = opened(&cases, 2).await;
    cases.complete_task(by(case.fields().tasks[0].task_id, "ada"), Call::default()).await.unwrap();
    let rows = sqlx::query("SELECT subject, payload FROM outbox_events ORDER BY seq")
        .fetch_all(&mut database.app().await)
        .await
        .unwrap();
    let contracts = Contracts::load(&project_root().join("contracts")).unwrap();
    let kept = rows.iter().map(|row| {
        let (subject, payload): (String, serde_json::Value) = (row.get("subject"), row.get("payload"));
        contracts.check(&subject, payload.to_string().as_bytes()).unwrap();
        subject
    });
    assert_eq!(kept.collect::<Vec<_>>(), ["sea.event.case_created.v1", "sea.event.task_completed.v1"]);
}

/// The outbox refuses: nothing of the case stays. And the other way round.
#[tokio::test]
async fn neither_is_kept_without_the_other() {
    let database = support::sea().await;
    let cases = cases_of(&database);
    let case = opened(&cases, 1).await;
    let task = case.fields().tasks[0].task_id;
    database
        .run(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN RAISE EXCEPTION 'refused by the test'; END $$;
             CREATE TRIGGER refuse BEFORE INSERT ON outbox_events FOR EACH ROW EXECUTE FUNCTION refuse()",
        )
        .await;
    let refused = cases.open(request("Another", 2), keyed("k")).await.unwrap_err();
    assert!(
        matches!(&refused, SeaError::Unexpected(why) if why.contains("refused by the test")),
        "{refused}"
    );
    assert!(cases.complete_task(by(task, "ada"), Call::default()).await.is_err());
    assert_eq!(cases.case(case.fields().case_id).await.unwrap(), case);
    for (table, rows) in [("cases", 1), ("tasks", 1), ("command_keys", 0), ("outbox_events", 1)] {
        assert_eq!(database.count(&format!("FROM {table}")).await, rows, "{table}");
    }
    database
        .run("DROP TRIGGER refuse ON outbox_events; ALTER TABLE tasks ADD CHECK (completed_by <> 'bob')")
        .await;
    assert!(cases.complete_task(by(task, "bob"), Call::default()).await.is_err());
    assert_eq!(database.events().await, 1);
    assert!(cases.open(request("Another", 2), keyed("k")).await.is_ok(), "a failed try leaves its key free");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_completions_of_one_task_one_counts() {
    let database = support::sea().await;
    let cases = Arc::new(cases_of(&database));
    let case = opened(&cases, 2).await;
    let task = case.fields().tasks[0].task_id;
    let mut tries = JoinSet::new();
    for number in 0..12 {
        let cases = Arc::clone(&cases);
        tries.spawn(async move {
            cases.complete_task(by(task, &format!("person {number}")), Call::default()).await
        });
    }
    let (done, refused): (Vec<_>, Vec<_>) = tries.join_all().await.into_iter().partition(Result::is_ok);
    assert_eq!((done.len(), refused.len()), (1, 11));
    for refusal in refused {
        assert!(matches!(refusal, Err(SeaError::AlreadyCompleted { .. })), "{refusal:?}");
    }
    assert_eq!(database.events().await, 2);
    assert_eq!(cases.case(case.fields().case_id).await.unwrap().fields().revision, 2);
}

/// Both tasks of a case at the same time: both count, and exactly one of them closes the case.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn completions_of_different_tasks_all_count() {
    let database = support::sea().await;
    let cases = Arc::new(cases_of(&database));
    let case = opened(&cases, 8).await;
    let mut tries = JoinSet::new();
    for task in case.fields().tasks.clone() {
        let cases = Arc::clone(&cases);
        tries.spawn(
            async move { cases.complete_task(by(task.task_id, "ada"), Call::default()).await.unwrap() },
        );
    }
    tries.join_all().await;
    let closed = cases.case(case.fields().case_id).await.unwrap();
    assert_eq!((closed.fields().state, closed.fields().revision), (CaseState::Closed, 9));
    let mut app = database.app().await;
    let left: Vec<i64> = sqlx::query_scalar(
        "SELECT (payload->>'open_tasks')::bigint FROM outbox_events WHERE event_type = 'task_completed' ORDER BY seq",
    )
    .fetch_all(&mut app)
    .await
    .unwrap();
    assert_eq!(left, [7, 6, 5, 4, 3, 2, 1, 0], "in the order in which they happened");
}

#[tokio::test]
async fn a_key_is_carried_out_once() {
    let database = support::sea().await;
    let cases = cases_of(&database);
    let Applied::Now(first) = cases.open(request("A case", 1), keyed("k")).await.unwrap() else { panic!() };
    let again = cases.open(request("A case", 1), keyed("k")).await.unwrap();
    assert_eq!(again, Applied::Before(first.clone()));
    let other = cases.open(request("Another case", 1), keyed("k")).await.unwrap_err();
    assert!(matches!(other, SeaError::KeyReused), "{other}");
    let task = first.fields().tasks[0].task_id;
    let Applied::Now(done) = cases.complete_task(by(task, "ada"), keyed("k")).await.unwrap() else {
        panic!("the same key of another operation is another key")
    };
    assert_eq!(cases.complete_task(by(task, "ada"), keyed("k")).await.unwrap(), Applied::Before(done));
    let other = cases.complete_task(by(task, "bob"), keyed("k")).await.unwrap_err();
    assert!(matches!(other, SeaError::KeyReused), "{other}");
    assert_eq!((database.events().await, database.count("FROM cases").await), (2, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_key_sent_many_times_at_once_is_carried_out_once() {
    let database = support::sea().await;
    let cases = Arc::new(cases_of(&database));
    let mut tries = JoinSet::new();
    for _ in 0..12 {
        let cases = Arc::clone(&cases);
        tries.spawn(async move { cases.open(request("A case", 2), keyed("k")).await.unwrap() });
    }
    let all = tries.join_all().await;
    let now = all.iter().filter(|applied| matches!(applied, Applied::Now(_))).count();
    assert_eq!((now, database.count("FROM cases").await, database.events().await), (1, 1, 1));
    let ids = all.iter().map(|applied| match applied {
        Applied::Now(case) | Applied::Before(case) => case.fields().case_id,
    });
    assert_eq!(ids.collect::<std::collections::HashSet<_>>().len(), 1);
}

#[tokio::test]
async fn old_keys_are_forgotten_and_others_kept() {
    let database = support::sea().await;
    let cases = cases_of(&database);
    for key in ["old", "new"] {
        cases.open(request("A case", 0), keyed(key)).await.unwrap();
    }
    database
        .run("UPDATE command_keys SET created_at = created_at - interval '8 days' WHERE key = 'old'")
        .await;
    assert_eq!(crate::store(&database).forget_keys().await.unwrap(), 1);
    assert_eq!(database.count("FROM command_keys WHERE key = 'new'").await, 1);
}

#[tokio::test]
async fn pages_hold_every_case_once_newest_first() {
    let database = support::sea().await;
    let cases = cases_of(&database);
    let mut made = Vec::new();
    for tasks in 0..7 {
        made.push(opened(&cases, tasks % 3).await.fields().case_id);
    }
    // The same moment for some: the identity decides.
    database.run("UPDATE cases SET opened_at = '2026-01-01'").await;
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let page = PageRequest { limit: PageLimit::new(3).unwrap(), after };
        let page = cases.cases(&CaseFilter::default(), page).await.unwrap();
        seen.extend(page.items.iter().map(|case| case.case_id));
        after = page.next;
        if after.is_none() {
            break;
        }
        // What is opened between two pages moves nothing.
        opened(&cases, 0).await;
    }
    let mut sorted = made.clone();
    sorted.sort_by(|one, other| other.cmp(one));
    assert_eq!(seen, sorted);
    let page = || PageRequest { limit: PageLimit::default(), after: None };
    let closed = CaseFilter { state: Some(CaseState::Closed), vibe_id: None };
    assert!(cases.cases(&closed, page()).await.unwrap().items.is_empty());
    let of_vibe = CaseFilter { state: None, vibe_id: Some(VibeRef::parse("v-2").unwrap()) };
    assert!(cases.cases(&of_vibe, page()).await.unwrap().items.is_empty());
}

#[tokio::test]
async fn unknown_ones_are_said_to_be_unknown() {
    let database = support::sea().await;
    let cases = cases_of(&database);
    let task = cases.complete_task(by(TaskId(Uuid::nil()), "ada"), keyed("k")).await.unwrap_err();
    assert!(matches!(task, SeaError::UnknownTask), "{task}");
    let case = cases.case(sea_domain::CaseId(Uuid::nil())).await.unwrap_err();
    assert!(matches!(case, SeaError::UnknownCase), "{case}");
    assert_eq!((database.events().await, database.count("FROM command_keys").await), (0, 0));
}
