//! A database of its own for each test, copied from a context that this process provisions once.
#![allow(dead_code)]

use std::str::FromStr as _;

use sea_mq_database::{Password, ProvisionRequest, provision};
use sea_mq_event::ContextName;
use sea_mq_stack::shared_postgres;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection};
use tokio::sync::OnceCell;
use uuid::Uuid;

const PASSWORD: &str = "a-password-of-tests";

/// A context's database with its own tables.
pub struct Database {
    admin: PgConnectOptions,
    /// As the context's application role.
    pub app_url: String,
}

/// A database of SEA.
pub async fn sea() -> Database {
    static MADE: OnceCell<()> = OnceCell::const_new();
    MADE.get_or_init(|| async {
        let url = provisioned("sea").await;
        assert_eq!(sea_adapters::migrate(&url).await.unwrap().len(), 3);
        assert_eq!(sea_adapters::migrate(&url).await.unwrap(), [], "again: nothing to do");
    })
    .await;
    copy_of("sea").await
}

/// A database of VibesPro.
pub async fn vibespro() -> Database {
    static MADE: OnceCell<()> = OnceCell::const_new();
    MADE.get_or_init(|| async {
        let url = provisioned("vibespro").await;
        vibespro_public_api::migrate(&url).await.unwrap();
    })
    .await;
    copy_of("vibespro").await
}

/// Makes the context and says how its migrator connects.
async fn provisioned(context: &str) -> String {
    let password = || Password::new("a password of tests", PASSWORD).unwrap();
    let mut request = ProvisionRequest::new(ContextName::parse(context).unwrap(), password(), password());
    request.migrator_password = Some(password());
    let admin_url = shared_postgres().await.unwrap().admin_url();
    provision(&admin_url, &request).await.unwrap().urls.migrator.unwrap()
}

async fn copy_of(context: &str) -> Database {
    let admin = PgConnectOptions::from_str(&shared_postgres().await.unwrap().admin_url()).unwrap();
    let name = format!("{context}_{}", Uuid::new_v4().simple());
    let mut connection = PgConnection::connect_with(&admin).await.unwrap();
    for statement in [
        format!("CREATE DATABASE {name} TEMPLATE {context}_db"),
        format!("GRANT CONNECT ON DATABASE {name} TO {context}_app"),
    ] {
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await.unwrap();
    }
    connection.close().await.unwrap();
    let admin = admin.database(&name);
    let app = admin.clone().username(&format!("{context}_app")).password(PASSWORD);
    Database { app_url: app.to_url_lossy().to_string(), admin }
}

impl Database {
    pub async fn superuser(&self) -> PgConnection {
        PgConnection::connect_with(&self.admin).await.unwrap()
    }

    pub fn admin_url(&self) -> String {
        self.admin.to_url_lossy().to_string()
    }

    pub async fn app(&self) -> PgConnection {
        PgConnection::connect(&self.app_url).await.unwrap()
    }

    pub async fn count(&self, sql: &str) -> i64 {
        let mut connection = self.superuser().await;
        let count = sqlx::query_scalar(AssertSqlSafe(format!("SELECT count(*) {sql}")));
        let count = count.fetch_one(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        count
    }

    /// How many events are in the outbox.
    pub async fn events(&self) -> i64 {
        self.count("FROM outbox_events").await
    }

    pub async fn run(&self, sql: &str) {
        let mut connection = self.superuser().await;
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }
}
