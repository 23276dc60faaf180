//! Handlers: statement by statement, up to an answer, a crash or nothing.

use uuid::Uuid;

use crate::errand::{Errand, Settlement};
use crate::handler::{Call, Connection, Handler, Reply, Session, Statement, WHOLE_SCRIPT, ask};
use crate::mutant::Mutant;
use crate::schedule::{Style, When};
use crate::world::{Checked, World, pick};

impl World<'_> {
    pub async fn deliver(&mut self, call: Call, style: Style, awaited: bool) {
        let session = self.arena.session().await;
        self.say(format!(
            "handler {} is called for attempt {} of event {}, {:?}, asks before: {}",
            self.handlers.len(),
            call.fence,
            call.event,
            style.isolation,
            style.asks_before
        ));
        self.handlers.push(Handler::new(call, style, session, awaited));
    }

    /// Something between worker and handler sends the same call again; the worker does not hear it.
    pub async fn call_twice(&mut self, number: u8, style: Style) {
        if let Some(index) = pick(&self.which(|_any| true), number) {
            self.deliver(self.handlers[index].call, style, false).await;
        }
    }

    /// The newest first.
    fn which(&self, condition: impl Fn(&Handler) -> bool) -> Vec<usize> {
        (0..self.handlers.len()).rev().filter(|index| condition(&self.handlers[*index])).collect()
    }

    pub async fn advance_one(&mut self, number: u8, statements: u8) -> Checked {
        match pick(&self.which(Handler::is_idle), number) {
            Some(index) => self.advance(index, statements).await,
            None => Ok(()),
        }
    }

    /// Runs the next statements, as long as none waits for another handler.
    pub async fn advance(&mut self, index: usize, statements: u8) -> Checked {
        for _ in 0..statements {
            let handler = &mut self.handlers[index];
            if !handler.is_idle() {
                break;
            }
            let Some(statement) = handler.script.pop_front() else { break };
            let poison = self.events[handler.call.event].poison;
            let sql = handler.sql(statement, &self.names, poison);
            handler.send(statement, sql);
            self.collect(index).await?;
        }
        self.collect_all().await
    }

    /// Of handlers that waited for one another, those that do no longer.
    async fn collect_all(&mut self) -> Checked {
        for index in self.which(|h| matches!(h.connection, Connection::Busy(..))) {
            self.collect(index).await?;
        }
        Ok(())
    }

    async fn collect(&mut self, index: usize) -> Checked {
        let Connection::Busy(statement, pid, task) = &mut self.handlers[index].connection else {
            return Ok(());
        };
        let statement = *statement;
        let Some((session, reply)) = self.arena.end_of(task, *pid).await else {
            self.say(format!("handler {index}: {statement:?} waits"));
            return Ok(());
        };
        self.handlers[index].connection = Connection::Gone;
        self.say(format!("handler {index}: {statement:?}: {}", told(&reply)));
        self.replied(index, session, statement, reply).await
    }

    async fn replied(&mut self, index: usize, session: Session, done: Statement, reply: Reply) -> Checked {
        let code = match reply {
            Ok(text) => return self.went_well(index, session, done, text.as_deref()).await,
            Err(code) => code,
        };
        let status = match code.as_str() {
            "MQ101" if self.mutant == Some(Mutant::ReplacedIsProcessed) => 409,
            // Replaced, unknown; a serialization failure, a deadlock.
            "MQ101" | "MQ102" | "40001" | "40P01" => 503,
            "MQ103" => 409,
            "XX422" => 422,
            _ => return Err(format!("handler {index}: {done:?} fails with {code}")),
        };
        self.refuse(index, session, status).await
    }

    async fn went_well(
        &mut self,
        index: usize,
        session: Session,
        done: Statement,
        text: Option<&str>,
    ) -> Checked {
        let verdict = if done == Statement::Ask { text.unwrap_or_default() } else { "run" };
        match verdict {
            "run" => {}
            "done" => return self.refuse(index, session, 409).await,
            "outdated" | "unknown" => return self.refuse(index, session, 503).await,
            other => return Err(format!("inbox_begin says {other}")),
        }
        let handler = &mut self.handlers[index];
        handler.holds = done == Statement::Complete;
        if handler.answers_early(self.mutant, done) {
            handler.answer = Some(200);
        }
        if done == Statement::Commit {
            handler.answer = Some(200);
            let Call { message, fence, .. } = handler.call;
            self.committed.entry(message).or_default().push(fence);
            self.arena.give_back(session);
            if self.given_up.contains(&(message, fence)) {
                return Err(format!("handler {index} has committed an attempt that was given up"));
            }
        } else {
            handler.connection = Connection::Idle(session);
        }
        Ok(())
    }

    /// Rolls back and answers. 409 is true only of what is processed.
    async fn refuse(&mut self, index: usize, session: Session, status: u16) -> Checked {
        let (session, rolled_back) = ask(session, "ROLLBACK".to_owned()).await;
        rolled_back.map_err(|code| format!("a rollback fails with {code}"))?;
        self.arena.give_back(session);
        let handler = &mut self.handlers[index];
        (handler.answer, handler.holds) = (Some(status), false);
        let message = handler.call.message;
        self.say(format!("handler {index} rolls back and answers {status}"));
        if status == 409 && !self.is_processed(message).await {
            return Err(format!("handler {index} answers 409, and its event is not processed"));
        }
        Ok(())
    }

    async fn is_processed(&mut self, message: Uuid) -> bool {
        let consumer = &self.names.consumer;
        let sql = format!(
            "SELECT (count(*) = 1)::text FROM inbox_messages \
             WHERE message_id = '{message}' AND consumer = '{consumer}' AND state = 'processed'"
        );
        self.arena.text(&sql).await == "true"
    }

    pub async fn raise(&mut self, number: u8, poison: bool) -> Checked {
        let Some(index) = pick(&self.which(Handler::is_idle), number) else { return Ok(()) };
        let handler = &mut self.handlers[index];
        let Connection::Idle(session) = std::mem::replace(&mut handler.connection, Connection::Gone) else {
            return Ok(());
        };
        self.refuse(index, session, if poison { 422 } else { 500 }).await?;
        self.collect_all().await
    }

    pub async fn crash_one(&mut self, number: u8) -> Checked {
        match pick(&self.which(|handler| !handler.has_ended()), number) {
            Some(index) => self.crash(index).await,
            None => Ok(()),
        }
    }

    pub async fn crash(&mut self, index: usize) -> Checked {
        let handler = &mut self.handlers[index];
        let Some(pid) = handler.pid() else { return Ok(()) };
        handler.connection = Connection::Gone;
        handler.holds = false;
        self.say(format!("handler {index} crashes"));
        self.arena.terminate(pid).await;
        self.collect_all().await
    }

    pub async fn answer(&mut self, number: u8, when: When) -> Checked {
        match pick(&self.which(|h| h.awaited && h.answer.is_some()), number) {
            Some(index) => self.settle(index, self.handlers[index].answer, when).await,
            None => Ok(()),
        }
    }

    pub async fn cut_off(&mut self, number: u8, when: When) -> Checked {
        match pick(&self.which(|h| h.awaited), number) {
            Some(index) => self.settle(index, None, when).await,
            None => Ok(()),
        }
    }

    pub async fn give_back(&mut self, number: u8, when: When) -> Checked {
        let uncalled = |h: &Handler| h.awaited && h.is_idle() && h.script.len() == WHOLE_SCRIPT;
        let Some(index) = pick(&self.which(uncalled), number) else { return Ok(()) };
        let handler = &mut self.handlers[index];
        handler.awaited = false;
        let Call { by, message, fence, .. } = handler.call;
        if let Connection::Idle(session) = std::mem::replace(&mut handler.connection, Connection::Gone) {
            self.arena.give_back(session);
        }
        self.say(format!("handler {index} is not called after all"));
        self.send(Errand::Settle { by, message, fence, settlement: Settlement::GiveBack }, when).await
    }

    /// The worker has its answer, or waits no longer. 200 is true only of what is committed.
    pub async fn settle(&mut self, index: usize, answer: Option<u16>, when: When) -> Checked {
        let handler = &mut self.handlers[index];
        handler.awaited = false;
        let Call { by, message, fence, attempts, .. } = handler.call;
        self.say(format!("the worker hears {answer:?} of handler {index}"));
        if answer == Some(200) && !self.committed.contains_key(&message) {
            return Err(format!("handler {index} answers 200 and has not committed"));
        }
        let settlement = Settlement::of(answer, attempts, self.plan.max_deliver);
        self.send(Errand::Settle { by, message, fence, settlement }, when).await
    }
}

fn told(reply: &Reply) -> &str {
    match reply {
        Ok(text) => text.as_deref().unwrap_or("ok"),
        Err(code) => code,
    }
}
