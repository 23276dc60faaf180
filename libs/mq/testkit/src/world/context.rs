use std::time::Duration;

use sea_mq_database::{ConnectOptions, ContextUrls, Password, ProvisionRequest, connect, provision};
use sea_mq_event::ContextName;
use sea_mq_stack::Postgres;
use sqlx::postgres::PgPoolOptions;
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool};

use crate::TestkitError;
use crate::collect::Source;
use crate::handler::TABLES;

/// Password of the superuser's pools and the roles: nobody else can reach these servers.
const SECRET: &str = "secret";
/// A pool tries for this long to reach a server that was killed: looks at it must fail sooner.
const ADMIN_PATIENCE: Duration = Duration::from_secs(4);

/// One context of a world, with its database.
#[derive(Clone, Debug)]
pub struct TestContext {
    /// Its real name on the servers.
    pub name: ContextName,
    /// As the application role.
    pub app: PgPool,
    /// As the superuser, in the context's database.
    pub admin: PgPool,
    /// How its roles connect.
    pub urls: ContextUrls,
}

impl TestContext {
    pub(super) async fn make(postgres: &Postgres, name: ContextName) -> Result<Self, TestkitError> {
        let secret = || Password::new("test", SECRET);
        let mut request = ProvisionRequest::new(name.clone(), secret()?, secret()?);
        request.migrator_password = Some(secret()?);
        let made = provision(&postgres.admin_url(), &request).await?;
        make_tables(&made.urls, &made.names.owner).await?;
        let server = postgres.admin_url();
        let server = server.rsplit_once('/').map_or(server.as_str(), |(server, _)| server);
        let admin_url = format!("{server}/{}", made.names.database);
        Ok(Self {
            name,
            app: pool(&made.urls.app, 16, Duration::from_secs(10)).await?,
            admin: pool(&admin_url, 4, ADMIN_PATIENCE).await?,
            urls: made.urls,
        })
    }

    /// `{context}.event.{event}.v1`.
    #[must_use]
    pub fn subject(&self, event: &str) -> String {
        format!("{}{event}.v1", self.name.event_prefix())
    }

    /// One number from the context's database, as the superuser.
    ///
    /// # Errors
    /// [`TestkitError::Sql`].
    pub async fn count(&self, sql: &str) -> Result<i64, TestkitError> {
        Ok(sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(&self.admin).await?)
    }

    /// Runs statements as the superuser.
    ///
    /// # Errors
    /// [`TestkitError::Sql`].
    pub async fn execute(&self, sql: &str) -> Result<u64, TestkitError> {
        let done = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&self.admin).await?;
        Ok(done.rows_affected())
    }

    /// A connection of its own as the application role, for a transaction that stays open.
    ///
    /// # Errors
    /// [`TestkitError::Sql`].
    pub async fn app_connection(&self) -> Result<PgConnection, TestkitError> {
        Ok(PgConnection::connect(&self.urls.app).await?)
    }

    pub(super) fn source(&self) -> Source {
        Source {
            context: self.name.to_string(),
            database: self.admin.clone(),
            event_stream: self.name.event_stream(),
            letter_stream: self.name.dead_letter_stream(),
        }
    }
}

/// The application's own tables, made by its own pipeline: as the owner.
async fn make_tables(urls: &ContextUrls, owner: &str) -> Result<(), TestkitError> {
    let migrator = urls.migrator.as_deref().unwrap_or_default();
    let mut connection = PgConnection::connect(migrator).await?;
    sqlx::raw_sql(AssertSqlSafe(format!("SET ROLE {owner}; {TABLES}"))).execute(&mut connection).await?;
    connection.close().await?;
    Ok(())
}

async fn pool(url: &str, connections: u32, patience: Duration) -> Result<PgPool, TestkitError> {
    // Proves that the server lets us in, and says why not.
    connect(url, &ConnectOptions::default()).await?.close().await;
    Ok(PgPoolOptions::new().max_connections(connections).acquire_timeout(patience).connect_lazy(url)?)
}
