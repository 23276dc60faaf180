use std::sync::Arc;

use sea_adapters::{
    CelRules, HttpVibesPro, InProcessVibesPro, PoolOptions, PostgresSea, RandomIds, SystemClock,
    VibesProAdapter, connect, expected_migrations,
};
use sea_app::{Cases, Policies, SeaError};
use sea_domain::{CaseId, PolicyName};
use sea_ports::Facts;
use uuid::Uuid;

use crate::service::Answer;
use crate::{
    CallContext, CaseDetails, CasePage, CaseQuery, CompleteTask, Done, Evaluate, EvaluationResult, OpenCase,
    PageQuery, PolicyPage, PolicyVersion, PutPolicy, Sea, convert,
};

/// Where VibesPro is asked whether a case's vibe exists.
#[derive(Clone, PartialEq, Eq)]
pub enum VibesProChoice {
    /// Nowhere: any vibe will do.
    None,
    /// In this process, over VibesPro's database as its application role.
    InProcess {
        /// URL of the database.
        db_url: String,
    },
    /// A running vibespro-api.
    Http {
        /// Its address, such as `http://127.0.0.1:8002`.
        base_url: String,
    },
}

/// A URL cannot be understood.
#[derive(Debug, thiserror::Error)]
#[error("{what}: {problem}")]
pub struct ConnectError {
    /// Which URL.
    pub what: &'static str,
    /// What is wrong with it; never the URL of a database, which may hold a password.
    pub problem: String,
}

/// SEA in this process, over its database. Cheap to clone; clones share their connections.
#[derive(Clone, Debug)]
pub struct InProcess {
    kernel: Arc<Kernel>,
}

#[derive(Debug)]
struct Kernel {
    store: PostgresSea,
    cases: Cases<PostgresSea, VibesProAdapter, SystemClock, RandomIds>,
    policies: Policies<PostgresSea, CelRules, SystemClock>,
}

impl InProcess {
    /// Over the database at `url`, as the context's application role. Connects when it is first
    /// used, and again after every loss.
    ///
    /// # Errors
    /// [`ConnectError`].
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn connect(
        url: &str,
        options: &PoolOptions,
        vibespro: &VibesProChoice,
    ) -> Result<Self, ConnectError> {
        let refused = |what, problem: &dyn ToString| ConnectError { what, problem: problem.to_string() };
        let store = PostgresSea::new(connect(url, options).map_err(|error| refused("database", &error))?);
        let vibespro = match vibespro {
            VibesProChoice::None => None,
            VibesProChoice::InProcess { db_url } => {
                let adapter = InProcessVibesPro::connect(db_url);
                let adapter = adapter.map_err(|error| refused("vibespro's database", &error))?;
                Some(VibesProAdapter::InProcess(adapter))
            }
            VibesProChoice::Http { base_url } => {
                let adapter = HttpVibesPro::new(base_url).map_err(|error| refused("vibespro-api", &error))?;
                Some(VibesProAdapter::Http(adapter))
            }
        };
        let cases = Cases::new(store.clone(), vibespro, SystemClock, RandomIds);
        let policies = Policies::new(store.clone(), CelRules::new(), SystemClock);
        Ok(Self { kernel: Arc::new(Kernel { store, cases, policies }) })
    }

    /// Forgets idempotency keys that are older than seven days; returns how many. Somebody has to
    /// do so now and then; several may at once.
    ///
    /// # Errors
    /// [`SeaError`].
    pub async fn forget_old_idempotency_keys(&self) -> Result<u64, SeaError> {
        Ok(self.kernel.store.forget_keys().await?)
    }
}

impl Sea for InProcess {
    fn open_case(&self, request: OpenCase, call: CallContext) -> Answer<'_, Done<CaseDetails>> {
        Box::pin(async move {
            let (request, call) = (convert::open_case(request)?, convert::call(call)?);
            Ok(convert::done(self.kernel.cases.open(request, call).await?))
        })
    }

    fn complete_task(
        &self,
        task_id: Uuid,
        request: CompleteTask,
        call: CallContext,
    ) -> Answer<'_, Done<CaseDetails>> {
        Box::pin(async move {
            let (request, call) = (convert::complete_task(task_id, &request)?, convert::call(call)?);
            Ok(convert::done(self.kernel.cases.complete_task(request, call).await?))
        })
    }

    fn case(&self, case_id: Uuid) -> Answer<'_, CaseDetails> {
        Box::pin(async move { Ok(convert::case_details(&self.kernel.cases.case(CaseId(case_id)).await?)) })
    }

    fn cases(&self, query: CaseQuery) -> Answer<'_, CasePage> {
        Box::pin(async move {
            let (filter, page) = (convert::case_filter(&query)?, convert::page_request(&query.page)?);
            Ok(convert::case_page(self.kernel.cases.cases(&filter, page).await?))
        })
    }

    fn put_policy(&self, name: String, request: PutPolicy) -> Answer<'_, PolicyVersion> {
        Box::pin(async move {
            let request = convert::put_policy(&name, &request)?;
            Ok(convert::policy_version(self.kernel.policies.put(request).await?))
        })
    }

    fn policies(&self, page: PageQuery) -> Answer<'_, PolicyPage> {
        Box::pin(async move {
            let page = convert::page_request(&page)?;
            Ok(convert::policy_page(self.kernel.policies.latest(page).await?))
        })
    }

    fn policy_versions(&self, name: String, page: PageQuery) -> Answer<'_, PolicyPage> {
        Box::pin(async move {
            let page = convert::page_request(&page)?;
            // A name that none can have names none.
            let name = PolicyName::parse(&name).map_err(|_none_of_that_name| SeaError::UnknownPolicy)?;
            Ok(convert::policy_page(self.kernel.policies.versions(&name, page).await?))
        })
    }

    fn evaluate(&self, request: Evaluate) -> Answer<'_, EvaluationResult> {
        Box::pin(async move {
            let facts = Facts::new(request.facts)?;
            Ok(convert::evaluation(self.kernel.policies.evaluate(&facts).await?))
        })
    }

    fn ready(&self) -> Answer<'_, ()> {
        Box::pin(async move {
            let (found, needed) = (self.kernel.store.migrated().await?, expected_migrations());
            if found >= needed {
                return Ok(());
            }
            let why = format!("the tables are at migration {found} of {needed}: run `sea-api migrate`");
            Err(SeaError::Unavailable { what: "the database is not migrated", source: why.into() })
        })
    }
}
