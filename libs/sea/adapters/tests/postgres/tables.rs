use sqlx::AssertSqlSafe;

use crate::support;

/// What the application role may do with each table.
#[tokio::test]
async fn policies_are_added_and_never_changed() {
    let database = support::sea().await;
    let mut app = database.app().await;
    for (statement, allowed) in [
        ("UPDATE policies SET active = false", false),
        ("DELETE FROM policies", false),
        ("TRUNCATE policies", false),
        ("DELETE FROM sea_migrations", false),
        ("SELECT count(*) FROM sea_migrations", true),
        (
            "INSERT INTO vibe_views (vibe_id, owner, title, revision, updated_at) VALUES (gen_random_uuid(), 'ada', 't', 1, now())",
            true,
        ),
        ("UPDATE vibe_views SET last_score = 3", true),
        (
            "INSERT INTO governance_decisions (decision_id, vibe_id, vibe_revision, outcome, message_id, decided_at)
             VALUES (gen_random_uuid(), gen_random_uuid(), 2, 'approved', gen_random_uuid(), now())",
            true,
        ),
        ("UPDATE vibe_views SET last_score = 101", false),
    ] {
        let done = sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(&mut app).await;
        assert_eq!(done.is_ok(), allowed, "{statement}: {done:?}");
    }
}

#[tokio::test]
async fn a_schema_of_another_program_is_left_alone() {
    let database = support::sea().await;
    database.run("UPDATE sea_migrations SET checksum = '\\x00' WHERE version = 2").await;
    let url = database.admin_url();
    let refused = sea_adapters::migrate(&url).await.unwrap_err();
    assert!(matches!(refused, sea_adapters::MigrationError::Foreign { version: 2 }), "{refused}");
}
