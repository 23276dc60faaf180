//! What the handler says that it can do.

use serde_json::Value;
use uuid::Uuid;

use super::Outcome;
use crate::http::{Ask, Http, Place};
use crate::signing::{Secret, Signing, headers};
use crate::verdict::{Came, Verdict, told};

/// What was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    came: Came,
    document: Option<Value>,
}

impl Said {
    pub(crate) async fn ask_at(http: &Http, secret: Option<&Secret>) -> Self {
        let mut ask = Ask::get(Place::Capabilities);
        if let Some(secret) = secret {
            ask.headers.extend(headers(secret, Signing::Right, &Uuid::new_v4().to_string(), &[]));
        }
        Self::read(http.send(&ask).await)
    }

    fn read(came: Came) -> Self {
        let answer = came.as_ref().ok().filter(|answer| answer.code == 200);
        let document = answer.and_then(|answer| serde_json::from_str(&answer.body).ok());
        Self { came, document }
    }

    /// Events that a batch may have; `None` without batches.
    pub(crate) fn max_events(&self) -> Option<usize> {
        let document = self.document.as_ref().filter(|document| document["contract"] == 1)?;
        let most = document["batch"]["max_events"].as_u64().filter(|most| *most > 1)?;
        usize::try_from(most).ok()
    }

    /// Whether it says anything.
    pub(crate) fn is_offered(&self) -> bool {
        self.document.is_some()
    }

    /// `event_type v1` and so on, for messages.
    pub(crate) fn events(&self) -> Vec<(String, i64)> {
        let listed = self.document.as_ref().and_then(|document| document["events"].as_array());
        let read = |event: &Value| {
            Some((event["event_type"].as_str()?.to_owned(), event["event_version"].as_i64()?))
        };
        listed.into_iter().flatten().filter_map(read).collect()
    }

    pub(crate) fn form(&self) -> Outcome {
        Ok(match (&self.came, &self.document) {
            (Ok(answer), _) if matches!(answer.code, 404 | 405 | 501) => {
                Verdict::NotApplicable("it offers nothing beyond single calls".to_owned())
            }
            (Ok(answer), Some(document)) if answer.code == 200 => Verdict::of(&wrong_in(document)),
            (came, _) => Verdict::Failed(told(came)),
        })
    }

    pub(crate) fn listed(&self, event_type: &str, version: i32) -> Outcome {
        let Some(document) = &self.document else {
            return Ok(Verdict::NotApplicable("it offers nothing beyond single calls".to_owned()));
        };
        if document["events"].is_null() {
            return Ok(Verdict::NotApplicable("it does not list its events".to_owned()));
        }
        let events = self.events();
        let found = events.iter().any(|(name, of)| name == event_type && *of == i64::from(version));
        Ok(Verdict::passed_if(found, || format!("`events` is {}", document["events"])))
    }
}

fn wrong_in(document: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    if document["contract"] != 1 {
        wrong.push(format!("`contract` is {}", document["contract"]));
    }
    let batch = &document["batch"];
    if !batch.is_null() && batch["max_events"].as_u64().is_none_or(|most| most == 0) {
        wrong.push(format!("`batch` is {batch}, not null or {{\"max_events\": 1 or more}}"));
    }
    let named = |event: &Value| event["event_type"].is_string() && event["event_version"].is_i64();
    let events = &document["events"];
    if !events.is_null() && events.as_array().is_none_or(|events| !events.iter().all(named)) {
        wrong.push(format!("`events` is {events}, not a list of event_type and event_version"));
    }
    wrong
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::Said;
    use crate::verdict::{Answer, Verdict};

    fn said(code: u16, body: &str) -> Said {
        Said::read(Ok(Answer { code, body: body.to_owned(), closes: false }))
    }

    #[test]
    fn capabilities_are_absent_or_well_formed() {
        let good = said(
            200,
            r#"{"contract": 1, "batch": {"max_events": 9}, "events": [{"event_type": "a", "event_version": 1}]}"#,
        );
        assert_eq!((good.form().unwrap(), good.max_events()), (Verdict::Passed, Some(9)));
        assert_eq!(good.listed("a", 1).unwrap(), Verdict::Passed);
        assert!(matches!(good.listed("a", 2).unwrap(), Verdict::Failed(_)));
        let alone = said(200, r#"{"contract": 1, "batch": null, "events": []}"#);
        assert_eq!((alone.form().unwrap(), alone.max_events()), (Verdict::Passed, None));
        let least = said(200, r#"{"contract": 1}"#);
        assert_eq!((least.form().unwrap(), least.max_events()), (Verdict::Passed, None));
        assert!(matches!(least.listed("a", 1).unwrap(), Verdict::NotApplicable(_)));
        assert!(matches!(said(404, "").form().unwrap(), Verdict::NotApplicable(_)));
        for bad in [
            (500, ""),
            (200, ""),
            (200, r#"{"contract": 2, "events": []}"#),
            (200, r#"{"contract": 1, "events": {}}"#),
            (200, r#"{"contract": 1, "batch": {"max_events": 0}, "events": []}"#),
            (200, r#"{"contract": 1, "events": ["a"]}"#),
        ] {
            assert!(matches!(said(bad.0, bad.1).form().unwrap(), Verdict::Failed(_)), "{bad:?}");
        }
    }
}
