//! A provisioned and migrated context of its own for each test.

use sea_mq_database::{Password, ProvisionRequest, Provisioned, provision};
use sea_mq_event::ContextName;
use sea_mq_stack::shared_postgres;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use uuid::Uuid;
use vibespro_adapters::{Options, PostgresStore, SystemClock, TimeOrderedIds, migrate};
use vibespro_app::{Call, CreateVibe, Done, RegisterUser, UseCases};
use vibespro_domain::Vibe;

pub type Vibespro = UseCases<PostgresStore, SystemClock, TimeOrderedIds>;

pub struct Context {
    pub provisioned: Provisioned,
    pub vibespro: Vibespro,
    admin_url: String,
}

impl Context {
    pub async fn provisioned_only() -> Self {
        let name = format!("t_{}", &Uuid::new_v4().simple().to_string()[..12]);
        let password = || Password::new("test", "secret").unwrap();
        let mut request = ProvisionRequest::new(ContextName::parse(&name).unwrap(), password(), password());
        request.migrator_password = Some(password());
        let server = shared_postgres().await.unwrap().admin_url();
        let provisioned = provision(&server, &request).await.unwrap();
        let store = PostgresStore::connect(&provisioned.urls.app, &Options::default()).unwrap();
        let (server, _) = server.rsplit_once('/').unwrap();
        let admin_url = format!("{server}/{}", provisioned.names.database);
        Self { provisioned, vibespro: UseCases::new(store, SystemClock, TimeOrderedIds), admin_url }
    }

    /// With the user `ada`.
    pub async fn new() -> Self {
        let context = Self::provisioned_only().await;
        migrate(context.migrator_url()).await.unwrap();
        let ada = RegisterUser { user_id: "ada".to_owned(), name: "Ada".to_owned() };
        context.vibespro.register_user(ada, Call::default()).await.unwrap();
        context
    }

    pub fn migrator_url(&self) -> &str {
        self.provisioned.urls.migrator.as_deref().unwrap()
    }

    pub fn store(&self) -> PostgresStore {
        PostgresStore::connect(&self.provisioned.urls.app, &Options::default()).unwrap()
    }

    pub async fn app(&self) -> PgConnection {
        PgConnection::connect(&self.provisioned.urls.app).await.unwrap()
    }

    pub async fn worker(&self) -> PgConnection {
        PgConnection::connect(&self.provisioned.urls.worker).await.unwrap()
    }

    pub async fn superuser(&self) -> PgConnection {
        PgConnection::connect(&self.admin_url).await.unwrap()
    }

    pub async fn count(&self, table: &str) -> i64 {
        let sql = AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
        sqlx::query_scalar(sql).fetch_one(&mut self.superuser().await).await.unwrap()
    }

    /// Rows of `vibes`, of the outbox and of receipts.
    pub async fn counts(&self) -> [i64; 3] {
        [self.count("vibes").await, self.count("outbox_events").await, self.count("idempotency_keys").await]
    }

    pub async fn create(&self, title: &str) -> Vibe {
        self.create_as(title, Call::default()).await.value
    }

    pub async fn create_as(&self, title: &str, call: Call) -> Done<Vibe> {
        self.vibespro.create_vibe(calm(title), call).await.unwrap()
    }
}

/// A vibe of ada's.
pub fn calm(title: &str) -> CreateVibe {
    let description = "slow".to_owned();
    CreateVibe { user_id: "ada".to_owned(), title: title.to_owned(), description }
}

pub fn with_key(key: &str) -> Call {
    Call { idempotency_key: Some(key.to_owned()), ..Call::default() }
}

pub async fn execute(connection: &mut PgConnection, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(connection).await.unwrap();
}

/// The SQLSTATE with which the server refuses a statement.
pub async fn refusal(connection: &mut PgConnection, sql: &str) -> String {
    let error = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(connection).await.unwrap_err();
    error.as_database_error().unwrap().code().unwrap().into_owned()
}
