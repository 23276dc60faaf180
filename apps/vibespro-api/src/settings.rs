use std::net::SocketAddr;

use vibespro_public_api::Options;

const DEFAULT_LISTEN: &str = "127.0.0.1:8002";

/// What the environment says.
pub(crate) struct Settings {
    pub(crate) db_url: String,
    pub(crate) listen: SocketAddr,
    pub(crate) database: Options,
}

impl Settings {
    pub(crate) fn from_env() -> Result<Self, String> {
        Self::read(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
    }

    /// All that is wrong is said at once; values that may hold secrets are not repeated.
    fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let mut problems = Vec::new();
        let db_url = variable("DB_URL").unwrap_or_default();
        if db_url.is_empty() {
            problems.push("DB_URL is not set: postgres://vibespro_app:PASSWORD@HOST/vibespro_db".to_owned());
        }
        let listen = variable("LISTEN").unwrap_or_else(|| DEFAULT_LISTEN.to_owned()).parse();
        if listen.is_err() {
            problems.push(format!("LISTEN is not an address and port such as {DEFAULT_LISTEN}"));
        }
        let database = Options { application_name: "vibespro-api".to_owned(), ..Options::default() };
        let pool = variable("DB_POOL").map_or(Ok(database.max_connections), |text| text.parse());
        let pool = pool.ok().filter(|most| *most > 0);
        if pool.is_none() {
            problems.push("DB_POOL is not a number from 1".to_owned());
        }
        match (listen, pool) {
            (Ok(listen), Some(max_connections)) if problems.is_empty() => {
                Ok(Self { db_url, listen, database: Options { max_connections, ..database } })
            }
            (Ok(_) | Err(_), Some(_) | None) => Err(problems.join("; ")),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::Settings;

    fn read(pairs: &[(&str, &str)]) -> Result<Settings, String> {
        let found = |name: &str| pairs.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
        Settings::read(found)
    }

    #[test]
    fn defaults() {
        let settings = read(&[("DB_URL", "postgres://x/y")]).unwrap();
        assert_eq!(settings.listen.to_string(), "127.0.0.1:8002");
        assert_eq!(settings.database.max_connections, 16);
    }

    #[test]
    fn all_problems_are_said_at_once() {
        let Err(problem) = read(&[("LISTEN", "8002"), ("DB_POOL", "0")]) else { panic!("read") };
        for name in ["DB_URL", "LISTEN", "DB_POOL"] {
            assert!(problem.contains(name), "{problem}");
        }
    }
}
