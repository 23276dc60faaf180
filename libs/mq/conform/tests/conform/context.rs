//! A context of its own, in the Postgres that the tests of this process share.

use std::time::Duration;

use sea_mq_conform::{Invalid, PATIENCE, Report, Secret, Settings, Template, run};
use sea_mq_database::{ConnectOptions, Password, ProvisionRequest, Provisioned, connect, provision};
use sea_mq_event::ContextName;
use sea_mq_stack::shared_postgres;
use sqlx::PgPool;
use uuid::Uuid;

pub const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
pub const CONSUMER: &str = "conform__from_conform";

pub struct Context {
    pub name: String,
    pub provisioned: Provisioned,
    pub worker: PgPool,
}

impl Context {
    pub async fn new() -> Self {
        let name = format!("t_{}", &Uuid::new_v4().simple().to_string()[..12]);
        let password = |role: &str| Password::new(role, "secret").unwrap();
        let request =
            ProvisionRequest::new(ContextName::parse(&name).unwrap(), password("app"), password("worker"));
        let admin_url = shared_postgres().await.unwrap().admin_url();
        let provisioned = provision(&admin_url, &request).await.unwrap();
        let worker = pool(&provisioned.urls.worker).await;
        Self { name, provisioned, worker }
    }

    /// As the handler connects.
    pub async fn app(&self) -> PgPool {
        pool(&self.provisioned.urls.app).await
    }

    /// For a handler that takes `coin_thrown`.
    pub fn settings(&self, handler_url: &str, secret: Option<&str>) -> Settings {
        Settings {
            handler_url: handler_url.to_owned(),
            subject: "mint.event.coin_thrown.v1".to_owned(),
            payload: Template::parse("payload", r#"{"coin_id": "{uuid}", "value": 3}"#).unwrap(),
            invalid: Invalid::Spoilt,
            consumer: CONSUMER.to_owned(),
            secret: secret.map(|text| Secret::parse(text).unwrap()),
            at_least_once: false,
            timeout: Duration::from_secs(20),
            idle: Duration::from_millis(50),
            patience: PATIENCE,
        }
    }

    pub async fn judge(&self, settings: Settings) -> Report {
        run(settings, self.worker.clone()).await.unwrap()
    }
}

async fn pool(url: &str) -> PgPool {
    connect(url, &ConnectOptions { max_connections: 5, ..ConnectOptions::default() }).await.unwrap()
}
