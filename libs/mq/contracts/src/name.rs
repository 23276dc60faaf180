use std::fmt;

use sea_mq_event::{ContextName, Subject};

/// Which event's which version a contract is of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContractName {
    context: ContextName,
    event: String,
    version: i32,
}

/// Why a file cannot be a contract's.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "is not named like a contract: use <context>/<event>.v<version>.json in lower snake case, such as sea/case_created.v1.json"
)]
pub struct ContractNameError;

impl ContractName {
    /// From the folder and the file's name: `sea`, `case_created.v1.json`.
    ///
    /// # Errors
    /// [`ContractNameError`].
    pub fn of_file(folder: &str, file: &str) -> Result<Self, ContractNameError> {
        let event = file.strip_suffix(".json").ok_or(ContractNameError)?;
        let subject = Subject::parse(&format!("{folder}.event.{event}")).map_err(|_| ContractNameError)?;
        Ok(Self {
            context: subject.context().clone(),
            event: subject.event_type().to_owned(),
            version: subject.version(),
        })
    }

    /// The context that publishes the event.
    #[must_use]
    pub fn context(&self) -> &ContextName {
        &self.context
    }

    /// The event's name without its version.
    #[must_use]
    pub fn event(&self) -> &str {
        &self.event
    }

    /// The version, from 1.
    #[must_use]
    pub fn version(&self) -> i32 {
        self.version
    }

    /// `sea.event.case_created.v1`.
    #[must_use]
    pub fn subject(&self) -> String {
        format!("{}{}.v{}", self.context.event_prefix(), self.event, self.version)
    }

    /// `urn:sea-mq:contract:sea:case_created:v1`: the schema's `$id`.
    #[must_use]
    pub fn id(&self) -> String {
        format!("urn:sea-mq:contract:{}:{}:v{}", self.context, self.event, self.version)
    }
}

/// `sea/case_created.v1`: as in `released.json` and in messages.
impl fmt::Display for ContractName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}.v{}", self.context, self.event, self.version)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::ContractName;

    #[test]
    fn a_file_names_an_event() {
        let name = ContractName::of_file("sea", "case_created.v2.json").unwrap();
        assert_eq!(name.to_string(), "sea/case_created.v2");
        assert_eq!(name.subject(), "sea.event.case_created.v2");
        assert_eq!(name.id(), "urn:sea-mq:contract:sea:case_created:v2");
        for (folder, file) in [
            ("sea", "case_created.json"),
            ("sea", "case_created.v1"),
            ("sea", "case_created.v01.json"),
            ("sea", "CaseCreated.v1.json"),
            ("Sea", "case_created.v1.json"),
            ("sea", "case.created.v1.json"),
        ] {
            assert!(ContractName::of_file(folder, file).is_err(), "{folder}/{file}");
        }
    }
}
