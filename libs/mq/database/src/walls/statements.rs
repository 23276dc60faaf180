use crate::identifiers::{literal, quoted};
use crate::walls::facts::{DatabaseFacts, RoleFacts, ServerFacts};
use crate::{ContextNames, ProvisionRequest};

/// From this version on, membership says separately whether it inherits and whether it may act.
const MEMBERSHIP_OPTIONS_SINCE: i32 = 160_000;

/// A worker's transaction holds no network call, so an idle one is a frozen worker.
const WORKER_IDLE_IN_TRANSACTION: &str = "2s";
const WORKER_LOCK_TIMEOUT: &str = "2s";
/// The worker gives a statement up after 15 s; the server must not go on with it for much longer.
const WORKER_STATEMENT_TIMEOUT: &str = "30s";

/// One statement, and the text that may be shown in its place.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) sql: String,
    pub(crate) shown: String,
}

impl From<String> for Step {
    fn from(sql: String) -> Self {
        Self { shown: sql.clone(), sql }
    }
}

/// What is done in the admin's database, for the whole server, in order.
pub(crate) fn server_steps(
    facts: &ServerFacts,
    names: &ContextNames,
    request: &ProvisionRequest,
) -> Vec<Step> {
    let mut steps = roles(facts, names);
    steps.extend(logins(names, request));
    steps.extend(memberships(facts, names));
    steps.extend(database(facts, names));
    steps.extend(closed_databases(facts, names));
    steps.extend(role_settings(names));
    steps
}

fn roles(facts: &ServerFacts, names: &ContextNames) -> Vec<Step> {
    let found = |name: &str| facts.roles.iter().find(|role| role.name == name);
    // NOINHERIT: whoever migrates acts as the owner or can do nothing.
    let created = |name: &str| if name == names.migrator { "NOLOGIN NOINHERIT" } else { "NOLOGIN" };
    let lacks_and_excess = |name: &str| match found(name) {
        None => Some(format!("CREATE ROLE {} {}", quoted(name), created(name)).into()),
        Some(role) => without_excess(role),
    };
    names.roles().into_iter().filter_map(lacks_and_excess).collect()
}

fn without_excess(role: &RoleFacts) -> Option<Step> {
    if role.excess.is_empty() {
        return None;
    }
    Some(format!("ALTER ROLE {} {}", quoted(&role.name), role.excess.join(" ")).into())
}

fn logins(names: &ContextNames, request: &ProvisionRequest) -> Vec<Step> {
    let mut given = vec![(&names.app, &request.app_password), (&names.worker, &request.worker_password)];
    given.extend(request.migrator_password.iter().map(|password| (&names.migrator, password)));
    given
        .into_iter()
        .map(|(role, password)| {
            let statement = |secret: &str| format!("ALTER ROLE {} LOGIN PASSWORD {secret}", quoted(role));
            Step { sql: statement(&literal(&password.verifier())), shown: statement("'***'") }
        })
        .collect()
}

/// The migrator may act as the owner; so must an admin who is not a superuser, to build the walls.
fn memberships(facts: &ServerFacts, names: &ContextNames) -> Vec<Step> {
    let (owner, migrator) = (quoted(&names.owner), quoted(&names.migrator));
    let mut steps = vec![format!("GRANT {owner} TO {migrator}").into()];
    if !facts.admin.superuser {
        let options =
            if facts.version >= MEMBERSHIP_OPTIONS_SINCE { " WITH INHERIT TRUE, SET TRUE" } else { "" };
        steps.push(format!("GRANT {owner} TO {}{options}", quoted(&facts.admin.name)).into());
    }
    steps
}

/// Created closed and opened last, so that it never stands open to everybody.
fn database(facts: &ServerFacts, names: &ContextNames) -> Vec<Step> {
    let database = quoted(&names.database);
    let mut steps: Vec<Step> = Vec::new();
    if facts.database.is_none() {
        steps.push(
            format!("CREATE DATABASE {database} TEMPLATE template0 ENCODING 'UTF8' ALLOW_CONNECTIONS false")
                .into(),
        );
    }
    steps.push(format!("REVOKE ALL ON DATABASE {database} FROM PUBLIC").into());
    steps.extend(
        facts
            .intruders
            .iter()
            .map(|r| format!("REVOKE ALL ON DATABASE {database} FROM {}", quoted(r)).into()),
    );
    let (migrator, app, worker) = (quoted(&names.migrator), quoted(&names.app), quoted(&names.worker));
    steps.push(format!("GRANT CONNECT ON DATABASE {database} TO {migrator}, {app}, {worker}").into());
    // Migrations may bring schemas and trusted extensions of their own.
    steps.push(format!("GRANT CREATE, TEMPORARY ON DATABASE {database} TO {}", quoted(&names.owner)).into());
    if facts.database.as_ref().is_none_or(|found| !found.allows_connections) {
        steps.push(format!("ALTER DATABASE {database} ALLOW_CONNECTIONS true").into());
    }
    steps
}

fn closed_databases(facts: &ServerFacts, names: &ContextNames) -> Vec<Step> {
    facts
        .open_databases
        .iter()
        .filter(|open| open.name != names.database)
        .map(|open| {
            format!("REVOKE CONNECT, TEMPORARY ON DATABASE {} FROM PUBLIC", quoted(&open.name)).into()
        })
        .collect()
}

fn role_settings(names: &ContextNames) -> Vec<Step> {
    let (worker, migrator) = (quoted(&names.worker), quoted(&names.migrator));
    let (database, owner) = (quoted(&names.database), literal(&names.owner));
    [
        format!(
            "ALTER ROLE {worker} SET idle_in_transaction_session_timeout = '{WORKER_IDLE_IN_TRANSACTION}'"
        ),
        format!("ALTER ROLE {worker} SET lock_timeout = '{WORKER_LOCK_TIMEOUT}'"),
        format!("ALTER ROLE {worker} SET statement_timeout = '{WORKER_STATEMENT_TIMEOUT}'"),
        // The worker's statements look rows up by key. Planned while a table is still small, or its
        // statistics are old, they must not be turned into scans that grow with the table.
        format!("ALTER ROLE {worker} SET enable_seqscan = off"),
        format!("ALTER ROLE {worker} SET enable_hashjoin = off"),
        format!("ALTER ROLE {worker} SET enable_mergejoin = off"),
        // One row a key: a bitmap of one is made for nothing.
        format!("ALTER ROLE {worker} SET enable_bitmapscan = off"),
        // They are written for the plan that any parameters get, and planning them takes longer than
        // carrying them out: it is done once a connection.
        format!("ALTER ROLE {worker} SET plan_cache_mode = force_generic_plan"),
        // Up to Postgres 17 what is turned off above is priced out of reach instead, and a price like
        // that has even the scan of an empty table compiled first, for hundreds of milliseconds.
        format!("ALTER ROLE {worker} SET jit = off"),
        // So that any migration tool that logs in as the migrator acts as the owner.
        format!("ALTER ROLE {migrator} IN DATABASE {database} SET role = {owner}"),
    ]
    .into_iter()
    .map(Step::from)
    .collect()
}

/// What is done inside the context's database, in one transaction, in order.
pub(crate) fn database_steps(facts: Option<&DatabaseFacts>, names: &ContextNames) -> Vec<Step> {
    let (owner, app, worker) = (quoted(&names.owner), quoted(&names.app), quoted(&names.worker));
    let migrator = quoted(&names.migrator);
    let mut steps: Vec<Step> = Vec::new();
    if facts.is_none_or(|found| found.schema_owner != names.owner) {
        steps.push(format!("ALTER SCHEMA public OWNER TO {owner}").into());
    }
    let as_owner = [
        format!("SET LOCAL ROLE {owner}"),
        format!("REVOKE ALL ON SCHEMA public FROM PUBLIC, {app}, {worker}"),
        format!("GRANT USAGE ON SCHEMA public TO {migrator}, {app}, {worker}"),
        // The application may use what its migrations create; the worker has no part in it, not even
        // in functions, which Postgres opens to everybody by default.
        "ALTER DEFAULT PRIVILEGES REVOKE ALL ON FUNCTIONS FROM PUBLIC".to_owned(),
        format!("ALTER DEFAULT PRIVILEGES GRANT EXECUTE ON FUNCTIONS TO {app}"),
        format!("ALTER DEFAULT PRIVILEGES GRANT USAGE ON SCHEMAS TO {app}"),
        format!("ALTER DEFAULT PRIVILEGES GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {app}"),
        format!("ALTER DEFAULT PRIVILEGES GRANT USAGE ON SEQUENCES TO {app}"),
    ];
    steps.extend(as_owner.into_iter().map(Step::from));
    steps
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::{database_steps, server_steps};
    use crate::walls::facts::{
        AdminFacts, ContextDatabase, DatabaseFacts, OpenDatabase, RoleFacts, ServerFacts,
    };
    use crate::{ContextNames, Password, ProvisionRequest};
    use sea_mq_event::ContextName;

    fn request() -> ProvisionRequest {
        let password = |text| Password::new("test", text).unwrap();
        ProvisionRequest::new(
            ContextName::parse("sea").unwrap(),
            password("app-secret"),
            password("worker-secret"),
        )
    }

    fn shown(facts: &ServerFacts) -> Vec<String> {
        let names = ContextNames::of(&ContextName::parse("sea").unwrap());
        server_steps(facts, &names, &request()).into_iter().map(|step| step.shown).collect()
    }

    #[test]
    fn fresh_server_gets_everything_and_shows_no_secret() {
        let facts = ServerFacts {
            admin: AdminFacts { superuser: true, ..AdminFacts::default() },
            open_databases: vec![OpenDatabase { name: "we\"ird".to_owned(), closable: true }],
            ..ServerFacts::default()
        };
        let all = shown(&facts).join("\n");
        for part in [
            "CREATE ROLE \"sea_owner\" NOLOGIN",
            "CREATE DATABASE \"sea_db\"",
            "PASSWORD '***'",
            "ON DATABASE \"we\"\"ird\" FROM PUBLIC",
            "ALLOW_CONNECTIONS true",
        ] {
            assert!(all.contains(part), "{part} in {all}");
        }
        assert!(!all.contains("secret") && !all.contains("SCRAM"), "{all}");
        assert!(!all.contains("GRANT \"sea_owner\" TO \"\""), "{all}");
    }

    #[test]
    fn second_run_creates_nothing_and_takes_excess_away() {
        let role = |name: &str| RoleFacts { name: name.to_owned(), excess: vec![] };
        let facts = ServerFacts {
            version: 160_000,
            admin: AdminFacts { name: "adm".to_owned(), ..AdminFacts::default() },
            database: Some(ContextDatabase { allows_connections: true }),
            roles: vec![
                role("sea_owner"),
                role("sea_migrator"),
                role("sea_worker"),
                RoleFacts { name: "sea_app".to_owned(), excess: vec!["NOCREATEDB".to_owned()] },
            ],
            intruders: vec!["vibespro_app".to_owned()],
            ..ServerFacts::default()
        };
        let all = shown(&facts).join("\n");
        assert!(!all.contains("CREATE ROLE") && !all.contains("CREATE DATABASE"), "{all}");
        for part in [
            "ALTER ROLE \"sea_app\" NOCREATEDB",
            "FROM \"vibespro_app\"",
            "TO \"adm\" WITH INHERIT TRUE, SET TRUE",
        ] {
            assert!(all.contains(part), "{part} in {all}");
        }
    }

    #[test]
    fn schema_changes_hands_once() {
        let names = ContextNames::of(&ContextName::parse("sea").unwrap());
        let owned = DatabaseFacts { schema_owner: "sea_owner".to_owned() };
        assert!(database_steps(None, &names)[0].sql.starts_with("ALTER SCHEMA"));
        assert!(database_steps(Some(&owned), &names)[0].sql.starts_with("SET LOCAL ROLE"));
    }
}
