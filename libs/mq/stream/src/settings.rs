use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// How to reach the NATS servers and who to be there.
#[derive(Clone, Debug)]
pub struct ConnectSettings {
    /// Addresses, `nats://host:port` or `tls://host:port`; at least one.
    pub servers: Vec<String>,
    /// How to log in.
    pub auth: Auth,
    /// Certificates; `None` uses TLS only where the server or a `tls://` address asks for it.
    pub tls: Option<TlsFiles>,
    /// How long one connection attempt to one server may take.
    pub connect_timeout: Duration,
    /// Attempts after which a lost connection is given up for good; `None` and 0: never.
    pub reconnect_max: Option<usize>,
    /// Mean pause between two attempts to reconnect; jittered by half of it either way.
    pub reconnect_delay: Duration,
    /// How long a publish ack is awaited.
    pub ack_timeout: Duration,
    /// JetStream domain, when the streams live behind a leafnode.
    pub domain: Option<String>,
    /// Whose inbox prefix to use: `_INBOX_{context}`.
    pub context: String,
    /// Shown by the server's monitoring.
    pub client_name: String,
}

impl ConnectSettings {
    /// Settings for `context` at `servers`: no login, no TLS, and the defaults of the product.
    #[must_use]
    pub fn new(servers: Vec<String>, context: &str) -> Self {
        Self {
            servers,
            auth: Auth::None,
            tls: None,
            connect_timeout: Duration::from_secs(5),
            reconnect_max: None,
            reconnect_delay: Duration::from_millis(250),
            ack_timeout: Duration::from_secs(5),
            domain: None,
            context: context.to_owned(),
            client_name: format!("sea-mq {context}"),
        }
    }
}

/// How to log in. Its `Debug` form shows no secret.
#[derive(Clone)]
pub enum Auth {
    /// The server asks nobody.
    None,
    /// A user of the server's configuration.
    UserPassword {
        /// Name of the user.
        user: String,
        /// Its password.
        password: String,
    },
    /// The text of a `.creds` file: a JWT and its key.
    Credentials(String),
    /// The one token of a single-tenant server.
    Token(String),
}

impl fmt::Display for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("nobody (no user configured)"),
            Self::UserPassword { user, password: _ } => write!(f, "user `{user}`"),
            Self::Credentials(_) => f.write_str("the configured credentials"),
            Self::Token(_) => f.write_str("the configured token"),
        }
    }
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Auth({self})")
    }
}

/// Certificate files, PEM.
#[derive(Clone, Debug, Default)]
pub struct TlsFiles {
    /// The client's certificate, when the server verifies clients.
    pub cert: Option<PathBuf>,
    /// The key of that certificate.
    pub key: Option<PathBuf>,
    /// The authority that signed the server's certificate; the system's when absent.
    pub ca: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::Auth;

    #[test]
    fn debug_shows_no_secret() {
        let password = Auth::UserPassword { user: "sea".to_owned(), password: "hunter2".to_owned() };
        let token = Auth::Token("hunter2".to_owned());
        for auth in [password, token] {
            assert!(!format!("{auth:?} {auth}").contains("hunter2"), "{auth}");
        }
    }
}
