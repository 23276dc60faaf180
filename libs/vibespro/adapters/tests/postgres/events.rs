use sea_mq_contracts::Contracts;
use sea_mq_stack::project_root;
use sqlx::Row;
use sqlx::types::Json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;
use vibespro_app::{Call, ScoreVibe, UpdateVibe};

use crate::support::{Context, execute};

const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn text(at: OffsetDateTime) -> String {
    at.format(&Rfc3339).unwrap()
}

#[tokio::test]
async fn each_change_leaves_its_event_in_order() {
    let context = Context::new().await;
    let correlation = Uuid::new_v4();
    let call =
        Call { correlation_id: Some(correlation), traceparent: Some(TRACE.to_owned()), ..Call::default() };
    let created = context.create_as("Calm", call).await.value;
    let vibe_id = created.vibe_id.0;
    let update =
        UpdateVibe { vibe_id, expected_revision: 1, title: Some("Wild".to_owned()), description: None };
    let updated = context.vibespro.update_vibe(update, Call::default()).await.unwrap().value;
    let score = ScoreVibe { vibe_id, expected_revision: 2, score: 41 };
    let scored = context.vibespro.score_vibe(score, Call::default()).await.unwrap().value;
    assert_eq!(context.vibespro.vibe_summary(vibe_id).await.unwrap(), scored);

    let rows = sqlx::query("SELECT * FROM outbox_events ORDER BY seq")
        .fetch_all(&mut context.superuser().await)
        .await
        .unwrap();
    let prefix = context.provisioned.names.context.event_prefix();
    let expected = [
        (
            "vibe_created.v1",
            created.created_at,
            serde_json::json!({"vibe_id": vibe_id, "user_id": "ada", "title": "Calm", "description": "slow",
                "revision": 1, "created_at": text(created.created_at)}),
        ),
        (
            "vibe_updated.v1",
            updated.updated_at,
            serde_json::json!({"vibe_id": vibe_id, "user_id": "ada", "title": "Wild", "description": "slow",
                "revision": 2, "updated_at": text(updated.updated_at)}),
        ),
        (
            "vibe_scored.v1",
            scored.updated_at,
            serde_json::json!({"vibe_id": vibe_id, "user_id": "ada", "title": "Wild", "score": 41,
                "revision": 3, "scored_at": text(scored.updated_at)}),
        ),
    ];
    assert_eq!(rows.len(), expected.len());
    let contracts = Contracts::load(&project_root().join("contracts")).unwrap();
    for (row, (name, at, payload)) in rows.iter().zip(expected) {
        contracts.check(&format!("vibespro.event.{name}"), payload.to_string().as_bytes()).unwrap();
        assert_eq!(row.get::<String, _>("subject"), format!("{prefix}{name}"));
        assert_eq!(row.get::<Json<serde_json::Value>, _>("payload").0, payload);
        assert_eq!(row.get::<OffsetDateTime, _>("occurred_at"), at);
        assert_eq!(row.get::<String, _>("aggregate_type"), "vibe");
        assert_eq!(row.get::<String, _>("aggregate_id"), vibe_id.to_string());
    }
    assert_eq!(rows[0].get::<Uuid, _>("correlation_id"), correlation);
    assert_eq!(rows[0].get::<String, _>("trace_id"), TRACE);
    assert_eq!(rows[1].get::<Uuid, _>("correlation_id"), rows[1].get::<Uuid, _>("id"));
}

#[tokio::test]
async fn a_decision_written_by_a_handler_shows_and_outlives_changes() {
    let context = Context::new().await;
    let vibe_id = context.create("Calm").await.vibe_id.0;
    let case_id = Uuid::new_v4();
    // As the handlers do: in the application's role, beside the revision.
    let sql = format!(
        "UPDATE vibes SET decision_outcome = 'rejected', decision_reason = 'too low',
            decision_case_id = '{case_id}', decided_at = now() WHERE vibe_id = '{vibe_id}'"
    );
    execute(&mut context.app().await, &sql).await;
    let score = ScoreVibe { vibe_id, expected_revision: 1, score: 3 };
    let scored = context.vibespro.score_vibe(score, Call::default()).await.unwrap().value;
    let decision = scored.decision.unwrap();
    assert_eq!(decision.outcome.as_str(), "rejected");
    assert_eq!((decision.reason.as_deref(), decision.case_id), (Some("too low"), Some(case_id)));
}
