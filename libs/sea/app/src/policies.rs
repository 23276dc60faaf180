use sea_domain::{Evaluation, Policy, PolicyDraft, PolicyName, judge};
use sea_ports::{Clock, Facts, Page, PageRequest, PolicyStore, RuleEngine};

use crate::SeaError;

/// Most policies that may be active: each evaluation asks all of them.
pub const MAX_ACTIVE_POLICIES: usize = 200;

/// Make the next version of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PutPolicy {
    /// Which policy.
    pub name: PolicyName,
    /// What it is to say.
    pub draft: PolicyDraft,
    /// The version that the caller has seen; 0 for a new policy.
    pub expected_version: i32,
}

/// The use cases about policies.
#[derive(Clone, Debug)]
pub struct Policies<S, R, C> {
    store: S,
    rules: R,
    clock: C,
}

impl<S: PolicyStore, R: RuleEngine, C: Clock> Policies<S, R, C> {
    /// Over these ports.
    pub fn new(store: S, rules: R, clock: C) -> Self {
        Self { store, rules, clock }
    }

    /// Makes the next version of a policy. Emits nothing.
    ///
    /// # Errors
    /// [`SeaError`]: [`SeaError::StaleVersion`] when there is another version by now.
    pub async fn put(&self, request: PutPolicy) -> Result<Policy, SeaError> {
        self.rules.check(&request.draft.expression).await?.map_err(SeaError::InvalidExpression)?;
        let policy =
            Policy::following(request.expected_version, request.name, request.draft, self.clock.now())?;
        if policy.draft.active {
            self.check_room(&policy.name).await?;
        }
        match self.store.add_version(&policy).await? {
            Ok(()) => Ok(policy),
            Err(current) => Err(SeaError::StaleVersion { current }),
        }
    }

    /// The latest version of each policy, by name.
    ///
    /// # Errors
    /// The store's.
    pub async fn latest(&self, page: PageRequest<PolicyName>) -> Result<Page<Policy, PolicyName>, SeaError> {
        Ok(self.store.policies(page).await?)
    }

    /// The versions of a policy, newest first.
    ///
    /// # Errors
    /// [`SeaError::UnknownPolicy`] and the store's.
    pub async fn versions(
        &self,
        name: &PolicyName,
        page: PageRequest<i32>,
    ) -> Result<Page<Policy, i32>, SeaError> {
        let from_the_start = page.after.is_none();
        let versions = self.store.versions(name, page).await?;
        if from_the_start && versions.items.is_empty() {
            return Err(SeaError::UnknownPolicy);
        }
        Ok(versions)
    }

    /// What the active policies say about facts. Writes nothing.
    ///
    /// # Errors
    /// The store's and the engine's; a policy that fails over these facts is part of the answer.
    pub async fn evaluate(&self, facts: &Facts) -> Result<Evaluation, SeaError> {
        let policies = self.active().await?;
        let expressions = policies.iter().map(|policy| policy.draft.expression.clone()).collect();
        let verdicts = self.rules.evaluate(expressions, facts).await?;
        if verdicts.len() != policies.len() {
            return Err(SeaError::Unexpected("the engine left policies out".to_owned()));
        }
        Ok(judge(policies.into_iter().zip(verdicts).collect(), self.clock.now()))
    }

    /// All of them or none: a policy that is left out would be a policy that passes.
    async fn active(&self) -> Result<Vec<Policy>, SeaError> {
        let policies = self.store.active(MAX_ACTIVE_POLICIES + 1).await?;
        if policies.len() > MAX_ACTIVE_POLICIES {
            let what = format!("more than {MAX_ACTIVE_POLICIES} policies are active: deactivate some");
            return Err(SeaError::Unexpected(what));
        }
        Ok(policies)
    }

    async fn check_room(&self, name: &PolicyName) -> Result<(), SeaError> {
        let active = self.active().await?;
        let others = active.iter().filter(|policy| policy.name != *name).count();
        if others < MAX_ACTIVE_POLICIES {
            return Ok(());
        }
        let problem = format!("{MAX_ACTIVE_POLICIES} policies are active already: deactivate one first");
        Err(SeaError::Invalid { field: "active", problem })
    }
}
