//! What a handler that joins the inbox does, and the ways to do it wrong.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sqlx::{PgPool, Postgres, Transaction};
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::server::MAX_EVENTS;

#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub text: String,
}

impl Reply {
    pub fn of(status: u16, text: &str) -> Self {
        Self { status, text: text.to_owned() }
    }
}

#[derive(Clone)]
struct Call {
    id: Uuid,
    kind: (String, i64),
    consumer: String,
    attempt: i64,
    fence: i64,
    correlation: Uuid,
    trace: Option<String>,
    payload: Value,
}

pub struct Handler {
    pool: PgPool,
    subject: String,
    fault: &'static str,
    /// The fence with which each message was processed here.
    processed: Mutex<HashMap<Uuid, i64>>,
    begun: Mutex<HashSet<Uuid>>,
    /// The latest fence of each message that was called with.
    latest: Mutex<HashMap<Uuid, i64>>,
}

impl Handler {
    pub fn new(pool: PgPool, context: &str, fault: &'static str) -> Self {
        let subject = format!("{context}.event.coin_kept.v1");
        Self {
            pool,
            subject,
            fault,
            processed: Mutex::default(),
            begun: Mutex::default(),
            latest: Mutex::default(),
        }
    }

    pub fn breaks(&self, fault: &str) -> bool {
        self.fault == fault
    }

    /// Told of each part of a body; true when it waits for the rest.
    pub fn begins(&self, body: &[u8]) -> bool {
        let waits = self.breaks("a cut-off call blocks its message")
            && serde_json::from_slice::<Value>(body).is_err();
        if waits && let Some(id) = message_id(body) {
            self.begun.lock().unwrap().insert(id);
        }
        waits
    }

    /// The rest has come.
    pub fn ends(&self, body: &[u8]) {
        if let Some(id) = message_id(body) {
            self.begun.lock().unwrap().remove(&id);
        }
    }

    pub async fn single(&self, body: &[u8], trace: Option<String>) -> Reply {
        if self.breaks("large calls are 413") && body.len() > 500_000 {
            return Reply::of(413, "too large");
        }
        let malformed = Reply::of(if self.breaks("malformed calls are 422") { 422 } else { 400 }, "no call");
        let Ok(said) = serde_json::from_slice::<Value>(body) else { return malformed };
        let Some(call) = read(&said, trace) else { return malformed };
        if self.breaks("extra fields are 400") && said.get("conform_extra").is_some() {
            return Reply::of(400, "what is that");
        }
        self.handle(&call, None).await
    }

    pub async fn batch(&self, body: &[u8]) -> Reply {
        let said = serde_json::from_slice::<Vec<Value>>(body).unwrap_or_default();
        if said.is_empty() {
            return Reply::of(if self.breaks("an empty batch is 200") { 200 } else { 400 }, "[]");
        }
        if said.len() > MAX_EVENTS && !self.breaks("more than max_events are taken") {
            return Reply::of(413, "too many");
        }
        let read = |call: &Value| read(call, call["traceparent"].as_str().map(str::to_owned));
        let calls: Vec<Option<Call>> = said.iter().map(read).collect();
        if calls.iter().any(Option::is_none) && !self.breaks("a malformed item is 422") {
            return Reply::of(400, "no batch");
        }
        let mut replies = Vec::new();
        for (place, call) in calls.iter().enumerate() {
            let reply = match call {
                Some(_) if self.breaks("the last of many is left out") && place > 3 => Reply::of(200, ""),
                Some(call) => self.handle(call, Some(calls.len())).await,
                None => Reply::of(422, "no call"),
            };
            replies.push(reply);
        }
        self.written(replies)
    }

    fn written(&self, mut replies: Vec<Reply>) -> Reply {
        let done = |reply: &Reply| reply.text == "done";
        if self.breaks("one bad payload fails the batch") && replies.iter().any(|reply| reply.status == 422) {
            return Reply::of(422, "");
        }
        if self.breaks("a batch of done events is 200") && replies.iter().all(done) {
            replies.iter_mut().for_each(|reply| reply.status = 200);
        }
        // Two batches at once find such an event further down only.
        if self.breaks("a done event beside others is 500")
            && done(&replies[0])
            && replies.iter().any(|it| it.status == 200)
        {
            replies[0].status = 500;
        }
        if self.breaks("batches are answered in reverse") {
            replies.reverse();
        }
        // Of an answer for two events this is short enough, and of one for five it is not.
        let more = "x".repeat(if self.breaks("long answers to batches") { 20_000 } else { 0 });
        let items: Vec<Value> = replies
            .iter()
            .map(
                |it| json!({ "status": it.status, "why": format!("{}{more}", it.text), "retry_after": null }),
            )
            .collect();
        Reply::of(200, &Value::Array(items).to_string())
    }

    fn has_successor(&self, call: &Call) -> bool {
        self.latest.lock().unwrap().get(&call.id).is_some_and(|latest| *latest > call.fence)
    }

    /// If one comes soon, it is done before this one goes on.
    async fn let_successor_pass(&self, call: &Call) {
        let passed = || self.processed.lock().unwrap().contains_key(&call.id);
        for waited_ms in 0..5000 {
            if passed() || waited_ms > 60 && !self.has_successor(call) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    async fn handle(&self, call: &Call, batch: Option<usize>) -> Reply {
        if (call.kind.0.as_str(), call.kind.1) != ("coin_thrown", 1) {
            return Reply::of(
                self.either(batch, 404, "unknown events are 422", "unknown events of batches are 422", 422),
                "",
            );
        }
        if let Some(refused) = self.invalid(&call.payload) {
            return refused;
        }
        if self.breaks("one event only") && !self.processed.lock().unwrap().is_empty()
            || self.breaks("a fence is an attempt") && call.fence > call.attempt + 1
            || self.begun.lock().unwrap().contains(&call.id)
        {
            return Reply::of(503, "");
        }
        self.latest
            .lock()
            .unwrap()
            .entry(call.id)
            .and_modify(|it| *it = call.fence.max(*it))
            .or_insert(call.fence);
        match self.transact(call, batch).await {
            Ok(reply) => reply,
            Err(error) => self.refused(&error, call, batch),
        }
    }

    /// The right status, or the wrong one of the fault of single calls or of batches.
    fn either(&self, batch: Option<usize>, right: u16, single: &str, batched: &str, wrong: u16) -> u16 {
        let broken = self.breaks(if batch.is_some() { batched } else { single });
        if broken { wrong } else { right }
    }

    fn invalid(&self, payload: &Value) -> Option<Reply> {
        let coin = payload["coin_id"].as_str().is_some_and(|text| Uuid::try_parse(text).is_ok());
        if coin && payload["value"].is_u64() {
            return None;
        }
        let status = if self.breaks("invalid payloads are 400") { 400 } else { 422 };
        let quoted = if self.breaks("the payload is quoted") { payload.to_string() } else { String::new() };
        Some(Reply::of(status, &format!("coin_id and value are needed {quoted}")))
    }

    async fn transact(&self, call: &Call, batch: Option<usize>) -> Result<Reply, sqlx::Error> {
        let mut tx = self.pool.begin().await?;
        let verdict: String = sqlx::query_scalar("SELECT inbox_begin($1, $2, $3)")
            .bind(call.id)
            .bind(&call.consumer)
            .bind(call.fence)
            .fetch_one(&mut *tx)
            .await?;
        match verdict.as_str() {
            "run" => {}
            "done" => return self.done(call, batch, tx).await,
            "outdated" => return Ok(self.outdated(call, batch)),
            _ => {
                let (single, batched) = ("unknown messages are 409", "unknown messages of batches are 409");
                return Ok(Reply::of(self.either(batch, 503, single, batched, 409), ""));
            }
        }
        if self.breaks("marks before it acts") {
            complete(call, &mut tx).await?;
            tx.commit().await?;
            let mut tx = self.pool.begin().await?;
            self.effect(call, &mut tx).await?;
            tx.commit().await?;
            return Ok(Reply::of(200, ""));
        }
        self.effect(call, &mut tx).await?;
        if self.breaks("it takes its time") {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        if self.breaks("a successor's success is 200") {
            self.let_successor_pass(call).await;
        }
        if self.breaks("nothing is marked") {
            tx.commit().await?;
            return Ok(Reply::of(200, ""));
        }
        if self.breaks("a hung-up call leaves its transaction open") {
            tx = marked_apart(call.clone(), tx).await?;
        } else {
            complete(call, &mut tx).await?;
        }
        if self.breaks("it is marked after the answer") {
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(500)).await;
                tx.commit().await
            });
            return Ok(Reply::of(200, ""));
        }
        // Before others can know that it is.
        self.processed.lock().unwrap().insert(call.id, call.fence);
        tx.commit().await?;
        Ok(Reply::of(200, "processed"))
    }

    async fn done(
        &self,
        call: &Call,
        batch: Option<usize>,
        mut tx: Transaction<'static, Postgres>,
    ) -> Result<Reply, sqlx::Error> {
        let same = batch.is_none() && self.processed.lock().unwrap().get(&call.id) == Some(&call.fence);
        if same && self.breaks("a repeated attempt happens again") {
            self.effect(call, &mut tx).await?;
            tx.commit().await?;
        }
        Ok(Reply::of(if same && self.breaks("a repeated attempt is 200") { 200 } else { 409 }, "done"))
    }

    fn outdated(&self, call: &Call, batch: Option<usize>) -> Reply {
        if self.breaks("it happens after the answer") {
            let (pool, subject, id) = (self.pool.clone(), self.subject.clone(), call.id);
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(100)).await;
                let emit = "SELECT outbox_emit(subject => $1, payload => '{}', causation_id => $2)";
                sqlx::query(emit).bind(subject).bind(id).execute(&pool).await
            });
        }
        let (single, batched) = ("outdated attempts are 409", "outdated attempts of batches are 409");
        Reply::of(self.either(batch, 503, single, batched, 409), "")
    }

    async fn effect(&self, call: &Call, tx: &mut Transaction<'static, Postgres>) -> Result<(), sqlx::Error> {
        let silent = self.breaks("emitted events say nothing");
        let unless = |fault: &str| !silent && !self.breaks(fault);
        sqlx::query(
            "SELECT outbox_emit(subject => $1, payload => '{}', correlation_id => $2, causation_id => $3, trace_id => $4)",
        )
        .bind(&self.subject)
        .bind(unless("emitted without correlation").then_some(call.correlation))
        .bind(unless("emitted without causation").then_some(call.id))
        .bind(call.trace.clone().filter(|_| unless("emitted without trace")))
        .execute(&mut **tx)
        .await
        .map(drop)
    }

    fn refused(&self, error: &sqlx::Error, call: &Call, batch: Option<usize>) -> Reply {
        let code = error.as_database_error().and_then(|it| it.code()).unwrap_or_default().into_owned();
        let mine = self.processed.lock().unwrap().get(&call.id) == Some(&call.fence);
        let status = match code.as_str() {
            "MQ101" => self.either(batch, 503, "MQ101 is 409", "MQ101 of batches is 409", 409),
            "MQ102" => 503,
            "MQ103" if batch.is_some() => self.either(batch, 409, "", "MQ103 of batches is 200", 200),
            "MQ103" if mine && self.breaks("of two at once both are 200") => 200,
            "MQ103" if !mine && self.has_successor(call) && self.breaks("a successor's success is 200") => {
                200
            }
            "MQ103" if !mine && !self.has_successor(call) && self.breaks("what a worker settled is 200") => {
                200
            }
            "MQ103" if self.breaks("MQ103 is 500") => 500,
            "MQ103" => 409,
            _ => 500,
        };
        Reply::of(status, &code)
    }
}

/// Marks it in a task that does not end with its caller, and then has nobody to give the transaction to.
async fn marked_apart(
    call: Call,
    mut tx: Transaction<'static, Postgres>,
) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
    let (mut give, take) = oneshot::channel();
    tokio::spawn(async move {
        let began = Instant::now();
        let marked = complete(&call, &mut tx).await;
        // The row is held for 300 ms after its caller has gone: on a busy machine that is known later.
        let had_to_wait = began.elapsed() > Duration::from_millis(250);
        let limit = Duration::from_secs(if had_to_wait { 2 } else { 0 });
        let _ = tokio::time::timeout(limit, give.closed()).await;
        if let Err(kept) = give.send(marked.map(|()| tx)) {
            tokio::time::sleep(Duration::from_secs(30)).await;
            drop(kept);
        }
    });
    take.await.unwrap()
}

async fn complete(call: &Call, tx: &mut Transaction<'static, Postgres>) -> Result<(), sqlx::Error> {
    let complete = "SELECT inbox_complete($1, $2, $3)";
    let complete = sqlx::query(complete).bind(call.id).bind(&call.consumer).bind(call.fence);
    complete.execute(&mut **tx).await.map(drop)
}

fn read(call: &Value, trace: Option<String>) -> Option<Call> {
    Some(Call {
        id: call["message_id"].as_str()?.parse().ok()?,
        kind: (call["event_type"].as_str()?.to_owned(), call["event_version"].as_i64()?),
        consumer: call["consumer"].as_str()?.to_owned(),
        attempt: call["attempt"].as_i64()?,
        fence: call["fence"].as_i64()?,
        correlation: call["correlation_id"].as_str()?.parse().ok()?,
        trace,
        payload: call.get("payload")?.clone(),
    })
}

/// That of a body of which the end may be missing.
fn message_id(body: &[u8]) -> Option<Uuid> {
    let text = std::str::from_utf8(body).ok()?;
    text.split_once(r#""message_id":""#)?.1.get(..36)?.parse().ok()
}
