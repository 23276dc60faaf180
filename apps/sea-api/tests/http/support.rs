use std::str::FromStr as _;
use std::sync::Arc;

use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::{HeaderMap, Request};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use sea_mq_database::{Password, ProvisionRequest, provision};
use sea_mq_event::ContextName;
use sea_mq_stack::shared_postgres;
use sea_public_api::{InProcess, PoolOptions, VibesProChoice};
use serde_json::Value;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection};
use tokio::net::TcpListener;
use tokio::sync::OnceCell;
use uuid::Uuid;

const PASSWORD: &str = "a-password-of-tests";

/// A sea-api of its own for each test, over a database of its own.
pub struct Api {
    base: String,
    database: PgConnectOptions,
    client: Client<HttpConnector, Full<Bytes>>,
}

/// An answer, its body read.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The problem's code; empty for what is none.
    pub fn code(&self) -> &str {
        self.body["type"].as_str().and_then(|kind| kind.strip_prefix("urn:sea:problem:")).unwrap_or_default()
    }
}

impl Api {
    pub async fn start() -> Self {
        Self::start_with(VibesProChoice::None).await
    }

    pub async fn start_with(vibespro: VibesProChoice) -> Self {
        let database = copy().await;
        let app = database.clone().username("sea_app").password(PASSWORD).to_url_lossy().to_string();
        Self::over(&app, database, vibespro).await
    }

    /// Over a database that is not there.
    pub async fn start_without_database() -> Self {
        let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let url = format!("postgres://sea_app:x@{gone}/sea_db");
        Self::over(&url, PgConnectOptions::from_str(&url).unwrap(), VibesProChoice::None).await
    }

    async fn over(app_url: &str, database: PgConnectOptions, vibespro: VibesProChoice) -> Self {
        let sea = InProcess::connect(app_url, &PoolOptions::default(), &vibespro).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, sea_api::router(Arc::new(sea))).await });
        Self { base, database, client: Client::builder(TokioExecutor::new()).build_http() }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], String::new()).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.keyed("POST", path, &[], body).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Answer {
        self.keyed("PUT", path, &[], body).await
    }

    pub async fn keyed(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Value) -> Answer {
        let mut all = vec![("content-type", "application/json")];
        all.extend(headers);
        self.send(method, path, &all, body.to_string()).await
    }

    pub async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: String) -> Answer {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = self.client.request(request.body(Full::from(body)).unwrap()).await.unwrap();
        let (head, body) = answer.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
        Answer { status: head.status.as_u16(), headers: head.headers, body }
    }

    /// What a count over the context's database says.
    pub async fn count(&self, sql: &str) -> i64 {
        let mut connection = PgConnection::connect_with(&self.database).await.unwrap();
        let count = sqlx::query_scalar(AssertSqlSafe(format!("SELECT count(*) {sql}")));
        let count = count.fetch_one(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        count
    }

    pub async fn events(&self) -> i64 {
        self.count("FROM outbox_events").await
    }
}

/// A copy of a database that this process provisions once.
async fn copy() -> PgConnectOptions {
    static MADE: OnceCell<()> = OnceCell::const_new();
    let admin_url = shared_postgres().await.unwrap().admin_url();
    MADE.get_or_init(|| async {
        let password = || Password::new("a password of tests", PASSWORD).unwrap();
        let mut request = ProvisionRequest::new(ContextName::parse("sea").unwrap(), password(), password());
        request.migrator_password = Some(password());
        let migrator = provision(&admin_url, &request).await.unwrap().urls.migrator.unwrap();
        sea_public_api::migrate(&migrator).await.unwrap();
    })
    .await;
    let admin = PgConnectOptions::from_str(&admin_url).unwrap();
    let name = format!("sea_{}", Uuid::new_v4().simple());
    let mut connection = PgConnection::connect_with(&admin).await.unwrap();
    for statement in [
        format!("CREATE DATABASE {name} TEMPLATE sea_db"),
        format!("GRANT CONNECT ON DATABASE {name} TO sea_app"),
    ] {
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await.unwrap();
    }
    connection.close().await.unwrap();
    admin.database(&name)
}
