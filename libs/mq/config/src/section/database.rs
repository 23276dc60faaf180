use url::Url;

use crate::describe::Listing;
use crate::problem::Problems;
use crate::reader::{Reader, SecretFound};
use crate::secret::Secret;

/// The TLS modes that libpq knows.
const SSL_MODES: &[&str] = &["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];

/// How to reach the context's database.
#[derive(Clone, Debug)]
pub struct DatabaseSettings {
    /// `postgres://user:password@host:port/database?sslmode=…`, checked; a secret as a whole.
    pub url: Secret,
}

impl DatabaseSettings {
    pub(crate) fn read(reader: &Reader<'_>) -> Self {
        let url = match reader.secret("db_url") {
            SecretFound::Given(name, url) => {
                validate(&name, url.expose(), reader.problems);
                Secret::new(url.expose().trim())
            }
            SecretFound::Refused => Secret::new(""),
            SecretFound::Absent => {
                let name = reader.name("db_url");
                reader.problems.hidden(
                    &name,
                    "is required: the context's database, such as \
                 postgres://sea_worker:…@db.internal:5432/sea_db",
                );
                Secret::new("")
            }
        };
        Self { url }
    }

    pub(crate) fn describe(&self, into: &mut Listing) {
        into.line("db_url", without_password(self.url.expose()));
    }
}

/// Messages never repeat the URL, or only parts that cannot be the password.
fn validate(name: &str, text: &str, problems: &Problems) {
    let Ok(url) = Url::parse(text.trim()) else {
        problems.hidden(
            name,
            "is not a URL; use postgres://user:password@host:port/database \
         and percent-encode special characters of the password (value not shown)",
        );
        return;
    };
    if !matches!(url.scheme(), "postgres" | "postgresql") {
        problems.hidden(name, "must begin with postgres:// or postgresql:// (value not shown)");
        return;
    }
    if database(&url).is_none() {
        problems.hidden(
            name,
            "must end in the name of one database, …@host:port/sea_db; \
         percent-encode `/`, `?`, `#` and `@` of the password (value not shown)",
        );
    }
    let host_in_query = url.query_pairs().any(|(key, _)| key == "host" || key == "hostaddr");
    if url.host_str().is_none_or(str::is_empty) && !host_in_query {
        problems.hidden(name, "names no host (value not shown)");
    }
    let mode = url.query_pairs().find(|(key, _)| key == "sslmode" || key == "ssl-mode");
    if let Some((_, mode)) = mode
        && !SSL_MODES.contains(&&*mode)
    {
        let allowed = SSL_MODES.join(", ");
        problems.hidden(name, format!("its sslmode is unknown; use one of {allowed}"));
    }
}

/// The one path segment that names the database.
fn database(url: &Url) -> Option<&str> {
    let name = url.path().strip_prefix('/')?;
    (!name.is_empty() && !name.contains(['/', '@', ':'])).then_some(name)
}

/// User, host, port and database; the rest may hold secrets.
fn without_password(text: &str) -> String {
    let Ok(url) = Url::parse(text) else { return "***".to_owned() };
    let (Some(database), user) = (database(&url), url.username()) else {
        return "***".to_owned();
    };
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    let host = url.host_str().unwrap_or_default();
    format!("postgres://{user}:***@{host}{port}/{database}")
}

#[cfg(test)]
mod tests {
    use super::{validate, without_password};
    use crate::problem::Problems;

    #[test]
    fn table() {
        for (url, good) in [
            ("postgres://sea_worker:pw@127.0.0.1:5432/sea_db", true),
            ("postgresql://sea_worker@db/sea_db?sslmode=verify-full", true),
            ("postgres://w:pw@[::1]:5432/sea_db", true),
            ("postgres:///sea_db?host=/run/postgresql", true),
            ("postgres://w:pw@db/sea_db?sslmode=yes", false),
            ("postgres://w:pw@db:5432", false),
            ("postgres://w:pw@db:5432/", false),
            ("postgres://w:12/ret@db:5432/sea_db", false),
            ("postgres://w:12#ret@db:5432/sea_db", false),
            ("postgres:///sea_db", false),
            ("mysql://w:pw@db/sea_db", false),
            ("db:5432/sea_db", false),
            ("postgres://w:se#cret@db/sea_db", false),
            ("", false),
        ] {
            let problems = Problems::default();
            validate("DB_URL", url, &problems);
            let error = problems.settle(Some(())).err().map(|error| error.to_string());
            assert_eq!(error.is_none(), good, "{url}: {error:?}");
            assert!(!error.unwrap_or_default().contains("ret"), "{url}");
            assert!(!without_password(url).contains("ret"), "{url}");
        }
    }

    #[test]
    fn listing_hides_the_password() {
        let shown = without_password("postgres://sea_worker:hunter2@db:6432/sea_db?password=hunter2");
        assert_eq!(shown, "postgres://sea_worker:***@db:6432/sea_db");
    }
}
