use sea_mq_event::ContextName;

/// The names that Postgres knows a context by; all derive from the context's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContextNames {
    /// The context itself.
    pub context: ContextName,
    /// `{context}_db`.
    pub database: String,
    /// `{context}_owner`: owns the objects, cannot log in.
    pub owner: String,
    /// `{context}_migrator`: may act as the owner.
    pub migrator: String,
    /// `{context}_app`: the application and its handlers.
    pub app: String,
    /// `{context}_worker`: the messaging worker.
    pub worker: String,
}

impl ContextNames {
    /// The names of `context`.
    #[must_use]
    pub fn of(context: &ContextName) -> Self {
        Self {
            context: context.clone(),
            database: format!("{context}_db"),
            owner: format!("{context}_owner"),
            migrator: format!("{context}_migrator"),
            app: format!("{context}_app"),
            worker: format!("{context}_worker"),
        }
    }

    /// The four roles, in the order in which they are created.
    #[must_use]
    pub fn roles(&self) -> [&str; 4] {
        [&self.owner, &self.migrator, &self.app, &self.worker]
    }
}

/// A name as SQL takes it: in double quotes, inner ones doubled.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text as an SQL literal, whatever `standard_conforming_strings` says.
pub(crate) fn literal(text: &str) -> String {
    let doubled = text.replace('\'', "''");
    if doubled.contains('\\') {
        format!(" E'{}'", doubled.replace('\\', "\\\\"))
    } else {
        format!("'{doubled}'")
    }
}

#[cfg(test)]
mod tests {
    use super::{literal, quoted};

    #[test]
    fn quotes_hold() {
        assert_eq!(quoted(r#"we"ird"#), r#""we""ird""#);
        assert_eq!(literal("it's"), "'it''s'");
        assert_eq!(literal(r"a\'b"), r" E'a\\''b'");
    }
}
