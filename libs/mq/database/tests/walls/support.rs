//! A context of its own for each test, in the Postgres that the tests of this process share.

use sea_mq_database::{Password, ProvisionRequest, Provisioned, provision};
use sea_mq_event::ContextName;
use sea_mq_stack::shared_postgres;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use uuid::Uuid;

/// A provisioned context and how to reach it.
pub struct Context {
    pub admin_url: String,
    pub provisioned: Provisioned,
}

pub fn unique_name() -> ContextName {
    ContextName::parse(&format!("t_{}", &Uuid::new_v4().simple().to_string()[..12])).unwrap()
}

pub fn request(context: &ContextName) -> ProvisionRequest {
    let password = |role: &str| Password::new(role, &format!("{role} pass/word@{context}")).unwrap();
    let mut request = ProvisionRequest::new(context.clone(), password("app"), password("worker"));
    request.migrator_password = Some(password("migrator"));
    request
}

pub async fn admin_url() -> String {
    shared_postgres().await.unwrap().admin_url()
}

impl Context {
    pub async fn new() -> Self {
        let admin_url = admin_url().await;
        let provisioned = provision(&admin_url, &request(&unique_name())).await.unwrap();
        Self { admin_url, provisioned }
    }

    pub fn name(&self) -> &ContextName {
        &self.provisioned.names.context
    }

    pub async fn app(&self) -> PgConnection {
        connection(&self.provisioned.urls.app).await
    }

    pub async fn worker(&self) -> PgConnection {
        connection(&self.provisioned.urls.worker).await
    }

    pub fn migrator_url(&self) -> &str {
        self.provisioned.urls.migrator.as_deref().unwrap()
    }

    pub async fn migrator(&self) -> PgConnection {
        connection(self.migrator_url()).await
    }

    /// The server's superuser, inside the context's database.
    pub async fn superuser(&self) -> PgConnection {
        connection(&in_database(&self.admin_url, &self.provisioned.names.database)).await
    }

    /// `{context}.event.{rest}`.
    pub fn subject(&self, rest: &str) -> String {
        format!("{}.event.{rest}", self.name())
    }
}

pub async fn connection(url: &str) -> PgConnection {
    PgConnection::connect(url).await.unwrap()
}

/// The same URL with another database.
pub fn in_database(url: &str, database: &str) -> String {
    let (front, query) = url.split_once('?').map_or((url, String::new()), |(f, q)| (f, format!("?{q}")));
    let (server, _) = front.rsplit_once('/').unwrap();
    format!("{server}/{database}{query}")
}

pub async fn run(connection: &mut PgConnection, sql: &str) -> Result<u64, sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(connection).await.map(|done| done.rows_affected())
}

/// `ok`, or the SQLSTATE of the refusal.
pub async fn outcome(connection: &mut PgConnection, sql: &str) -> String {
    code(run(connection, sql).await)
}

pub fn code<T>(result: Result<T, sqlx::Error>) -> String {
    match result {
        Ok(_) => "ok".to_owned(),
        Err(error) => error
            .as_database_error()
            .and_then(|e| e.code())
            .map_or_else(|| error.to_string(), |code| code.into_owned()),
    }
}

pub async fn text(connection: &mut PgConnection, sql: &str) -> String {
    sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(connection).await.unwrap()
}

pub async fn count(connection: &mut PgConnection, sql: &str) -> i64 {
    sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(connection).await.unwrap()
}
