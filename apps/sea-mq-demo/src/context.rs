use anyhow::Context as _;
use sea_mq_database::{Password, ProvisionRequest, provision};
use sea_mq_event::ContextName;
use sea_mq_stack::{Postgres, project_root};
use sqlx::{Connection as _, PgConnection, PgPool};
use uuid::Uuid;

/// One bounded context with its database and its secrets.
#[derive(Debug)]
pub(crate) struct Context {
    /// Its name.
    pub(crate) name: ContextName,
    /// How its application and handlers connect.
    pub(crate) app_url: String,
    /// How its worker connects.
    pub(crate) worker_url: String,
    /// The superuser's connections to its database: for looking, never for the flow itself.
    pub(crate) observer: PgPool,
    /// Password of its NATS user.
    pub(crate) nats_password: String,
}

/// What the demo calls a context before its database exists.
#[derive(Debug)]
pub(crate) struct Secrets {
    pub(crate) name: ContextName,
    pub(crate) nats_password: String,
}

impl Secrets {
    pub(crate) fn of(name: &str) -> anyhow::Result<Self> {
        Ok(Self { name: ContextName::parse(name)?, nats_password: secret() })
    }
}

/// A random password that needs no quoting anywhere.
pub(crate) fn secret() -> String {
    format!("s{}", Uuid::new_v4().simple())
}

/// Provisions the context's database, and then the application's own tables beside sea-mq's.
pub(crate) async fn build(postgres: &Postgres, secrets: &Secrets) -> anyhow::Result<Context> {
    let (app, worker, migrator) = (secret(), secret(), secret());
    let name = &secrets.name;
    let password = |text| Password::new("a password of the demo", text);
    let mut request = ProvisionRequest::new(name.clone(), password(&app)?, password(&worker)?);
    request.migrator_password = Some(password(&migrator)?);
    let names = provision(&postgres.admin_url(), &request).await?.names;
    let url = |user: &str, password: &str| postgres.url(&names.database, user, password);
    own_tables(&url(&names.migrator, &migrator), &names.owner, name)
        .await
        .with_context(|| format!("cannot make the tables of {name}'s application"))?;
    let admin = postgres.admin_url();
    let server = admin.strip_suffix("/postgres").unwrap_or(&admin);
    Ok(Context {
        name: name.clone(),
        app_url: url(&names.app, &app),
        worker_url: url(&names.worker, &worker),
        observer: PgPool::connect_lazy(&format!("{server}/{}", names.database))?,
        nats_password: secrets.nats_password.clone(),
    })
}

async fn own_tables(migrator_url: &str, owner: &str, name: &ContextName) -> anyhow::Result<()> {
    let file = project_root().join(format!("demo/schema/{name}.sql"));
    let text = std::fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let mut connection = PgConnection::connect(migrator_url).await?;
    let statements = format!("SET ROLE {owner}; {text}");
    sqlx::raw_sql(sqlx::AssertSqlSafe(statements)).execute(&mut connection).await?;
    connection.close().await?;
    Ok(())
}
