//! A server over a context of its own for each test, and a client.

use std::sync::Arc;

use axum::body::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::header::{CONTENT_TYPE, HeaderMap};
use hyper::{Request, StatusCode};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use sea_mq_database::{Password, ProvisionRequest, provision};
use sea_mq_event::ContextName;
use sea_mq_stack::shared_postgres;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use uuid::Uuid;
use vibespro_public_api::{InProcess, Options, VibesPro, migrate};

pub struct Server {
    base: String,
    client: Client<HttpConnector, Full<Bytes>>,
}

pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// A refusal says its kind, its status and what to change.
    pub fn assert_problem(&self, status: u16, code: &str) {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        assert_eq!(self.body["type"], format!("urn:vibespro:problem:{code}"));
        assert_eq!(self.body["status"], status);
        for text in ["title", "detail"] {
            assert!(!self.body[text].as_str().unwrap().is_empty(), "{}", self.body);
        }
    }
}

impl Server {
    pub async fn over(service: Arc<dyn VibesPro>) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(axum::serve(listener, vibespro_api::router(service)).into_future());
        Self { base, client: Client::builder(TokioExecutor::new()).build_http() }
    }

    pub async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = self.client.request(request.body(Full::new(body.into())).unwrap()).await.unwrap();
        let (parts, body) = answer.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
        Answer { status: parts.status, headers: parts.headers, body }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], "").await
    }

    pub async fn json(&self, method: &str, path: &str, body: &Value) -> Answer {
        self.json_with(method, path, &[], body).await
    }

    pub async fn json_with(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &Value,
    ) -> Answer {
        let json = [(CONTENT_TYPE.as_str(), "application/json")];
        self.send(method, path, &[&json, headers].concat(), body.to_string()).await
    }
}

/// A server, and the database behind it with the user `ada`.
pub struct Context {
    pub server: Server,
    app_url: String,
}

impl Context {
    pub async fn new() -> Self {
        let name = format!("t_{}", &Uuid::new_v4().simple().to_string()[..12]);
        let password = || Password::new("test", "secret").unwrap();
        let mut request = ProvisionRequest::new(ContextName::parse(&name).unwrap(), password(), password());
        request.migrator_password = Some(password());
        let server = shared_postgres().await.unwrap().admin_url();
        let urls = provision(&server, &request).await.unwrap().urls;
        migrate(urls.migrator.as_deref().unwrap()).await.unwrap();
        let vibespro = InProcess::connect(&urls.app, &Options::default()).unwrap();
        let server = Server::over(Arc::new(vibespro)).await;
        let ada = server.json("PUT", "/v1/users/ada", &json!({"name": "Ada"})).await;
        assert_eq!(ada.status, StatusCode::CREATED);
        Self { server, app_url: urls.app }
    }

    pub async fn create(&self, title: &str) -> Value {
        let body = json!({"user_id": "ada", "title": title, "description": "slow"});
        let answer = self.server.json("POST", "/v1/vibes", &body).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.body);
        answer.body
    }

    pub async fn execute(&self, sql: &str) {
        let mut app = PgConnection::connect(&self.app_url).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut app).await.unwrap();
    }

    /// Rows of vibes, of the outbox and of idempotency keys.
    pub async fn counts(&self) -> (i64, i64, i64) {
        let mut app = PgConnection::connect(&self.app_url).await.unwrap();
        let sql = "SELECT (SELECT count(*) FROM vibes), (SELECT count(*) FROM outbox_events),
                          (SELECT count(*) FROM idempotency_keys)";
        sqlx::query_as(sql).fetch_one(&mut app).await.unwrap()
    }

    /// Correlation id and trace of the newest event.
    pub async fn newest_origin(&self) -> (Uuid, Option<String>) {
        let mut app = PgConnection::connect(&self.app_url).await.unwrap();
        let sql = "SELECT correlation_id, trace_id FROM outbox_events ORDER BY seq DESC LIMIT 1";
        sqlx::query_as(sql).fetch_one(&mut app).await.unwrap()
    }
}
