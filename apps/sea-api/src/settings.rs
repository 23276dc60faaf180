use std::env;
use std::net::SocketAddr;

use sea_public_api::{PoolOptions, VibesProChoice};

const DEFAULT_LISTEN: &str = "127.0.0.1:8001";

/// What the environment says.
pub(crate) struct Settings {
    pub(crate) db_url: String,
    pub(crate) listen: SocketAddr,
    pub(crate) database: PoolOptions,
    pub(crate) vibespro: VibesProChoice,
}

impl Settings {
    /// Reads the environment; on failure all problems, one a line, secrets left out.
    pub(crate) fn from_env() -> Result<Self, String> {
        Self::read(|name| env::var(name).ok().filter(|value| !value.is_empty()))
    }

    fn read(of: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let mut problems = Vec::new();
        let db_url = of("DB_URL").unwrap_or_else(|| {
            problems.push("DB_URL is not set: the URL of SEA's database as role sea_app".to_owned());
            String::new()
        });
        let given = of("LISTEN").unwrap_or_else(|| DEFAULT_LISTEN.to_owned());
        let listen =
            given.parse().map_err(|_| problems.push(format!("LISTEN is `{given}`: write address:port")));
        let database = pool(&of).map_err(|problem| problems.push(problem));
        let vibespro = vibespro(&of).map_err(|problem| problems.push(problem));
        match (listen, database, vibespro) {
            (Ok(listen), Ok(database), Ok(vibespro)) if problems.is_empty() => {
                Ok(Self { db_url, listen, database, vibespro })
            }
            _with_problems => Err(problems.join("\n")),
        }
    }
}

fn pool(of: &impl Fn(&str) -> Option<String>) -> Result<PoolOptions, String> {
    let Some(given) = of("DB_POOL") else { return Ok(PoolOptions::default()) };
    match given.parse() {
        Ok(max_connections @ 1..=1000) => Ok(PoolOptions { max_connections, ..PoolOptions::default() }),
        Ok(_) | Err(_) => Err(format!("DB_POOL is `{given}`: write a number of connections from 1 to 1000")),
    }
}

fn vibespro(of: &impl Fn(&str) -> Option<String>) -> Result<VibesProChoice, String> {
    match of("VIBESPRO").as_deref() {
        None => Ok(VibesProChoice::None),
        Some("in-process") => {
            let missing = "VIBESPRO_DB_URL is not set: VIBESPRO=in-process needs VibesPro's database as role vibespro_app";
            of("VIBESPRO_DB_URL")
                .map(|db_url| VibesProChoice::InProcess { db_url })
                .ok_or_else(|| missing.to_owned())
        }
        Some("http") => {
            let missing = "VIBESPRO_BASE_URL is not set: VIBESPRO=http needs the address of vibespro-api";
            of("VIBESPRO_BASE_URL")
                .map(|base_url| VibesProChoice::Http { base_url })
                .ok_or_else(|| missing.to_owned())
        }
        Some(other) => Err(format!("VIBESPRO is `{other}`: write `in-process` or `http`, or leave it out")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::Settings;
    use sea_public_api::VibesProChoice;

    fn read(given: &[(&str, &str)]) -> Result<Settings, String> {
        Settings::read(|name| {
            given.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn a_database_is_enough() {
        let settings = read(&[("DB_URL", "postgres://a")]).ok().unwrap();
        assert_eq!(settings.listen.to_string(), "127.0.0.1:8001");
        assert!(settings.vibespro == VibesProChoice::None);
    }

    #[test]
    fn every_problem_is_named_at_once() {
        let given = [("LISTEN", "here"), ("DB_POOL", "0"), ("VIBESPRO", "ftp")];
        let problems = read(&given).err().unwrap();
        for name in ["DB_URL", "LISTEN", "DB_POOL", "VIBESPRO"] {
            assert!(problems.contains(name), "{name} in {problems}");
        }
        for (choice, needed) in [("in-process", "VIBESPRO_DB_URL"), ("http", "VIBESPRO_BASE_URL")] {
            let problems = read(&[("DB_URL", "x"), ("VIBESPRO", choice)]).err().unwrap();
            assert!(problems.contains(needed), "{problems}");
        }
    }
}
