use std::collections::{BTreeMap, HashMap};

use anyhow::Context as _;
use hyper::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::api::Api;
use crate::recording::{Action, Deed};

/// What the users went through.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Experience {
    /// Actions that were answered in the end: all of them.
    pub(crate) actions: usize,
    /// Times that a request had to be repeated.
    pub(crate) repeats: usize,
}

/// A vibe as its user last saw it.
struct Seen {
    vibe_id: String,
    revision: i64,
}

/// All users at once, each doing what the recording says, in its order, over HTTP.
pub(crate) async fn play(api: Api, actions: Vec<Action>) -> anyhow::Result<Experience> {
    let mut by_user: BTreeMap<String, Vec<Action>> = BTreeMap::new();
    for action in actions {
        by_user.entry(action.user.clone()).or_default().push(action);
    }
    let mut users = JoinSet::new();
    for (user, actions) in by_user {
        users.spawn(work(api.clone(), user, actions));
    }
    let mut all = Experience::default();
    while let Some(ended) = users.join_next().await {
        let one = ended??;
        all = Experience { actions: all.actions + one.actions, repeats: all.repeats + one.repeats };
    }
    Ok(all)
}

async fn work(api: Api, user: String, actions: Vec<Action>) -> anyhow::Result<Experience> {
    let registered =
        api.command(&Method::PUT, &format!("/v1/users/{user}"), &json!({ "name": user })).await?;
    let mut experience = Experience { actions: actions.len(), repeats: registered.repeats };
    let mut vibes: HashMap<String, Seen> = HashMap::new();
    for action in actions {
        let (method, path, body) = request(&action, vibes.get(&action.vibe))?;
        let answer = api.command(&method, &path, &body).await?;
        experience.repeats += answer.repeats;
        vibes.insert(action.vibe, seen(&answer.body)?);
    }
    Ok(experience)
}

fn request(action: &Action, seen: Option<&Seen>) -> anyhow::Result<(Method, String, Value)> {
    let known = || seen.with_context(|| format!("the recording does not create {} first", action.vibe));
    Ok(match &action.deed {
        Deed::Create { title } => {
            (Method::POST, "/v1/vibes".to_owned(), json!({ "user_id": action.user, "title": title }))
        }
        Deed::Update { title } => {
            let Seen { vibe_id, revision } = known()?;
            let body = json!({ "expected_revision": revision, "title": title });
            (Method::PATCH, format!("/v1/vibes/{vibe_id}"), body)
        }
        Deed::Score { score } => {
            let Seen { vibe_id, revision } = known()?;
            let body = json!({ "expected_revision": revision, "score": score });
            (Method::POST, format!("/v1/vibes/{vibe_id}/score"), body)
        }
    })
}

fn seen(vibe: &Value) -> anyhow::Result<Seen> {
    let vibe_id = vibe["vibe_id"].as_str().context("VibesPro answered with no vibe_id")?;
    let revision = vibe["revision"].as_i64().context("VibesPro answered with no revision")?;
    Ok(Seen { vibe_id: vibe_id.to_owned(), revision })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use crate::recording::Action;

    use super::{Seen, request};

    #[test]
    fn each_deed_is_a_request_that_names_the_revision_seen() {
        let action = |rest: &str| -> Action {
            serde_json::from_str(&format!(r#"{{"user": "ada", "vibe": "v", {rest}}}"#)).unwrap()
        };
        let seen = Seen { vibe_id: "7".to_owned(), revision: 3 };
        for (rest, told) in [
            (r#""do": "create", "title": "t""#, r#"POST /v1/vibes {"title":"t","user_id":"ada"}"#),
            (r#""do": "update", "title": "t""#, r#"PATCH /v1/vibes/7 {"expected_revision":3,"title":"t"}"#),
            (r#""do": "score", "score": 9"#, r#"POST /v1/vibes/7/score {"expected_revision":3,"score":9}"#),
        ] {
            let (method, path, body) = request(&action(rest), Some(&seen)).unwrap();
            assert_eq!(format!("{method} {path} {body}"), told);
        }
        assert!(request(&action(r#""do": "score", "score": 9"#), None).is_err());
    }
}
