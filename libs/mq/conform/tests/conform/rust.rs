//! The Rust SDK.

use std::net::Ipv4Addr;

use sea_mq_conform::{IDLE, Settings};
use sea_mq_sdk::{Emit, Event, Failure, Handle, Handlers, Options, Secret, Transactions, Tx, router};
use serde::Deserialize;
use serde_json::json;
use tokio::net::TcpListener;
use uuid::Uuid;

use crate::context::{Context, SECRET};
use crate::languages::passes_all;

#[derive(Deserialize)]
struct Coin {
    coin_id: Uuid,
    #[serde(rename = "value")]
    _value: u32,
}

/// Tells of each coin: the effect.
struct Keep {
    kept: String,
}

impl Handle for Keep {
    type Payload = Coin;

    async fn handle(&self, tx: &mut Tx<'_>, event: &Event<Coin>) -> Result<(), Failure> {
        let coin = event.payload.coin_id.to_string();
        tx.emit(Emit::new(&self.kept, &json!({ "coin_id": coin })).aggregate("coin", &coin)).await?;
        Ok(())
    }
}

async fn keeps_every_rule(transactions: Transactions) {
    let context = Context::new().await;
    let keep = Keep { kept: format!("{}.event.coin_kept.v1", context.name) };
    let handlers = Handlers::new(context.app().await).transactions(transactions).on("coin_thrown", 1, keep);
    let options =
        Options { batch: Some(20), secrets: vec![Secret::parse(SECRET).unwrap()], ..Options::default() };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("http://{}/handle", listener.local_addr().unwrap());
    let server = tokio::spawn(async move { axum::serve(listener, router(handlers, options)).await });
    let settings = context.settings(&url, Some(SECRET));
    let report = context.judge(Settings { idle: IDLE, ..settings }).await;
    server.abort();
    passes_all(&report, &format!("{transactions:?}"));
}

#[tokio::test]
async fn rust_keeps_every_rule_with_a_transaction_for_each_event() {
    keeps_every_rule(Transactions::Each).await;
}

#[tokio::test]
async fn rust_keeps_every_rule_with_a_transaction_for_a_batch() {
    keeps_every_rule(Transactions::Together).await;
}
