use std::fmt;
use std::str::FromStr;

use sqlx::postgres::PgConnectOptions;

use crate::DatabaseError;

/// Where a connection goes, as an operator reads it: `user@host:port/database`. Never a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Host name, address or socket folder.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Role that logs in.
    pub user: String,
    /// Database name.
    pub database: String,
}

impl Target {
    /// For an error, which should stay small.
    pub(crate) fn boxed(&self) -> Box<Self> {
        Box::new(self.clone())
    }

    pub(crate) fn of(options: &PgConnectOptions) -> Self {
        let host = options
            .get_socket()
            .map_or_else(|| options.get_host().to_owned(), |socket| socket.display().to_string());
        Self {
            host,
            port: options.get_port(),
            user: options.get_username().to_owned(),
            database: options.get_database().unwrap_or_else(|| options.get_username()).to_owned(),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}:{}/{}", self.user, self.host, self.port, self.database)
    }
}

/// Reads a URL with libpq's options (`sslmode`, `sslrootcert`, `sslcert`, `sslkey`, `host`, …).
///
/// `extra_float_digits` is left out of the start-up packet: poolers refuse it, and every supported
/// server already prints floats exactly.
pub(crate) fn parse_url(url: &str) -> Result<PgConnectOptions, DatabaseError> {
    let scheme_known = url.starts_with("postgres://") || url.starts_with("postgresql://");
    if !scheme_known {
        return Err(DatabaseError::Url { problem: "it does not begin with postgres://".to_owned() });
    }
    PgConnectOptions::from_str(url)
        .map(|options| options.extra_float_digits(None))
        .map_err(|error| DatabaseError::Url { problem: plain(&error) })
}

/// The parser's own words without the driver's prefix.
fn plain(error: &sqlx::Error) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::{Target, parse_url};

    #[test]
    fn target_shows_everything_but_the_password() {
        let options =
            parse_url("postgres://sea_worker:s3cret@db.example:6432/sea_db?sslmode=require").unwrap();
        assert_eq!(Target::of(&options).to_string(), "sea_worker@db.example:6432/sea_db");
    }

    #[test]
    fn bad_urls_are_refused_without_their_password() {
        for url in [
            "",
            "mysql://a:s3cret@h/d",
            "postgres://a:s3cret@h:notaport/d",
            "postgres://a:s3cret@h/d?sslmode=maybe",
        ] {
            let text = parse_url(url).unwrap_err().to_string();
            assert!(!text.contains("s3cret"), "{text}");
        }
    }
}
