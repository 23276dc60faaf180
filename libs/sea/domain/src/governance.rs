//! From what each policy said to one outcome.

use time::OffsetDateTime;

use crate::{OnViolation, Policy, PolicyName};

/// What an evaluation came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// Every policy passed.
    Approved,
    /// A policy failed whose violation asks for a look, and none that rejects.
    Review,
    /// A policy failed whose violation rejects.
    Rejected,
}

impl Outcome {
    /// The word for it, everywhere.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::Review => "review",
            Self::Rejected => "rejected",
        }
    }
}

/// What the engine found about one expression over the facts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is true.
    Holds,
    /// It is false.
    Violated,
    /// It came to nothing: a missing fact, a wrong type. Counts as violated, with this reason.
    Failed(String),
}

/// A version of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyRef {
    /// Its name.
    pub name: PolicyName,
    /// From 1.
    pub version: i32,
}

/// What one policy says about the facts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyResult {
    /// Which policy.
    pub policy: PolicyRef,
    /// Whether the facts are in order.
    pub passed: bool,
    /// When not: the policy's message, and why its expression failed if it did.
    pub message: Option<String>,
}

/// What all policies together say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evaluation {
    /// The worst of them; approved without any.
    pub outcome: Outcome,
    /// One for each policy, by name.
    pub policies: Vec<PolicyResult>,
    /// When, UTC.
    pub evaluated_at: OffsetDateTime,
}

/// Judges: each policy with what the engine found about its expression.
#[must_use]
pub fn judge(found: Vec<(Policy, Verdict)>, now: OffsetDateTime) -> Evaluation {
    let outcome = found.iter().map(|(policy, verdict)| outcome_of(policy, verdict)).max();
    let mut policies: Vec<_> =
        found.into_iter().map(|(policy, verdict)| result_of(policy, verdict)).collect();
    policies.sort_by(|one, other| one.policy.name.cmp(&other.policy.name));
    Evaluation { outcome: outcome.unwrap_or(Outcome::Approved), policies, evaluated_at: now }
}

fn outcome_of(policy: &Policy, verdict: &Verdict) -> Outcome {
    match (verdict, policy.draft.on_violation) {
        (Verdict::Holds, _) => Outcome::Approved,
        (Verdict::Violated | Verdict::Failed(_), OnViolation::Review) => Outcome::Review,
        (Verdict::Violated | Verdict::Failed(_), OnViolation::Reject) => Outcome::Rejected,
    }
}

fn result_of(policy: Policy, verdict: Verdict) -> PolicyResult {
    let says = policy.draft.message.as_str();
    let message = match &verdict {
        Verdict::Holds => None,
        Verdict::Violated => Some(says.to_owned()),
        Verdict::Failed(why) => Some(format!("{says} (it could not be evaluated: {why})")),
    };
    let policy = PolicyRef { name: policy.name, version: policy.version };
    PolicyResult { policy, passed: verdict == Verdict::Holds, message }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::{Outcome, Verdict, judge};
    use crate::{Expression, OnViolation, Policy, PolicyDraft, PolicyMessage, PolicyName};
    use time::OffsetDateTime;

    fn policy(name: &str, on_violation: OnViolation) -> Policy {
        let draft = PolicyDraft {
            expression: Expression::parse("true").unwrap(),
            on_violation,
            message: PolicyMessage::parse("not in order").unwrap(),
            active: true,
        };
        let name = PolicyName::parse(name).unwrap();
        Policy::following(0, name, draft, OffsetDateTime::UNIX_EPOCH).unwrap()
    }

    #[test]
    fn the_worst_policy_decides() {
        use OnViolation::{Reject, Review};
        use Verdict::{Failed, Holds, Violated};
        let failed = || Failed("no such key: score".to_owned());
        for (found, outcome) in [
            (vec![], Outcome::Approved),
            (vec![(Reject, Holds), (Review, Holds)], Outcome::Approved),
            (vec![(Reject, Holds), (Review, Violated)], Outcome::Review),
            (vec![(Review, failed())], Outcome::Review),
            (vec![(Reject, Violated), (Review, Violated)], Outcome::Rejected),
            (vec![(Reject, failed()), (Review, Holds)], Outcome::Rejected),
        ] {
            let found: Vec<_> = found.into_iter().map(|(on, verdict)| (policy("p", on), verdict)).collect();
            assert_eq!(judge(found.clone(), OffsetDateTime::UNIX_EPOCH).outcome, outcome, "{found:?}");
        }
    }

    #[test]
    fn results_are_by_name_and_say_why() {
        let found = vec![
            (policy("b", OnViolation::Review), Verdict::Failed("no such key: score".to_owned())),
            (policy("a", OnViolation::Review), Verdict::Holds),
        ];
        let policies = judge(found, OffsetDateTime::UNIX_EPOCH).policies;
        assert_eq!(policies[0].policy.name.as_str(), "a");
        assert!(policies[0].passed && policies[0].message.is_none());
        let message = policies[1].message.clone().unwrap();
        assert_eq!(message, "not in order (it could not be evaluated: no such key: score)");
    }
}
