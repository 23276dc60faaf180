use sea_mq_database::{ContextNames, Password, ProvisionRequest, provision};
use sea_mq_event::ContextName;
use sea_mq_stack::Postgres;
use sqlx::PgPool;

use crate::LocalError;
use crate::secrets::Secrets;

/// One context of a running system, and who reaches its database how.
#[derive(Clone, Debug)]
pub struct Context {
    /// Its name.
    pub name: ContextName,
    /// As its application role: its own tables, and what the application may do with sea-mq's.
    pub app_url: String,
    /// As its worker role.
    pub worker_url: String,
    /// As its migrator role.
    pub migrator_url: String,
    /// As the superuser: for looking, never for the flow itself.
    pub observer: PgPool,
    /// Password of its NATS user, which has the context's name.
    pub nats_password: String,
}

impl Context {
    /// Provisions its database: roles, walls, schema. May be run again.
    pub(crate) async fn build(
        postgres: &Postgres,
        name: &ContextName,
        secrets: &Secrets,
    ) -> Result<Self, LocalError> {
        let failed = |source| LocalError::Provision { context: name.to_string(), source };
        let secret = |of| secrets.get(name.as_str(), of);
        let password = |of| Password::new("a password of this system", secret(of)).map_err(failed);
        let mut request = ProvisionRequest::new(name.clone(), password("app")?, password("worker")?);
        request.migrator_password = Some(password("migrator")?);
        provision(&postgres.admin_url(), &request).await.map_err(failed)?;
        let names = ContextNames::of(name);
        let url = |user: &str, of| postgres.url(&names.database, user, secret(of));
        let admin = postgres.admin_url();
        let server = admin.strip_suffix("/postgres").unwrap_or(&admin);
        Ok(Self {
            name: name.clone(),
            app_url: url(&names.app, "app"),
            worker_url: url(&names.worker, "worker"),
            migrator_url: url(&names.migrator, "migrator"),
            observer: PgPool::connect_lazy(&format!("{server}/{}", names.database))?,
            nats_password: secret("nats").to_owned(),
        })
    }

    /// The durable consumer by which it reads the events of `source`.
    #[must_use]
    pub fn durable_from(&self, source: &ContextName) -> String {
        format!("{}__from_{source}", self.name)
    }
}
