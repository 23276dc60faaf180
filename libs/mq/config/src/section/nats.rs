use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use crate::describe::Listing;
use crate::names::name_problem;
use crate::reader::{Found, Reader, SecretFound};
use crate::secret::Secret;

/// How to reach the broker.
#[derive(Clone, Debug)]
pub struct NatsSettings {
    /// `nats://host:port` or `tls://host:port`, at least one, without user or password.
    pub servers: Vec<String>,
    /// Who the worker is there.
    pub auth: NatsAuth,
    /// Certificates; `None` uses TLS only where a server's scheme is `tls://`.
    pub tls: Option<NatsTls>,
    /// How long one attempt to connect may take.
    pub connect_timeout: Duration,
    /// Attempts to reconnect before giving up; `None` never gives up.
    pub reconnect_max: Option<usize>,
    /// Pause between two attempts, before jitter.
    pub reconnect_delay: Duration,
    /// The JetStream domain to talk to, when it is not the server's own.
    pub domain: Option<String>,
}

/// Who the worker is at the broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NatsAuth {
    /// Nobody in particular.
    Anonymous,
    /// A user with a password.
    User {
        /// The user's name.
        user: String,
        /// The user's password.
        password: Secret,
    },
    /// The text of a credentials file (JWT and seed).
    Credentials(Secret),
    /// The token of a single-tenant server.
    Token(Secret),
}

/// Files for TLS; each was readable at the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NatsTls {
    /// PEM with the authorities to trust beside the system's.
    pub ca: Option<PathBuf>,
    /// The worker's own certificate.
    pub identity: Option<TlsIdentity>,
}

/// A certificate with its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsIdentity {
    /// PEM of the certificate chain.
    pub cert: PathBuf,
    /// PEM of the private key.
    pub key: PathBuf,
}

impl NatsSettings {
    pub(crate) fn read(reader: &Reader<'_>) -> Self {
        Self {
            servers: servers(reader),
            auth: auth(reader),
            tls: tls(reader),
            connect_timeout: reader.millis("nats_connect_timeout_ms", 5_000, 1..=300_000),
            reconnect_max: Some(reader.number("nats_reconnect_max", 0, 0..=1_000_000)).filter(|max| *max > 0),
            reconnect_delay: reader.millis("nats_reconnect_delay_ms", 250, 1..=60_000),
            domain: domain(reader),
        }
    }

    pub(crate) fn describe(&self, into: &mut Listing) {
        into.line("nats_servers", self.servers.join(","));
        match &self.auth {
            NatsAuth::Anonymous => into.note("no NATS user, credentials or token"),
            NatsAuth::User { user, password } => {
                into.line("nats_user", user);
                into.line("nats_password", password);
            }
            NatsAuth::Credentials(secret) => into.line("nats_creds", secret),
            NatsAuth::Token(secret) => into.line("nats_auth_token", secret),
        }
        if let Some(tls) = &self.tls {
            tls.describe(into);
        }
        into.number("nats_connect_timeout_ms", self.connect_timeout.as_millis());
        into.number("nats_reconnect_max", self.reconnect_max.unwrap_or(0));
        into.number("nats_reconnect_delay_ms", self.reconnect_delay.as_millis());
        if let Some(domain) = &self.domain {
            into.line("jetstream_domain", domain);
        }
    }
}

impl NatsTls {
    fn describe(&self, into: &mut Listing) {
        if let Some(ca) = &self.ca {
            into.line("nats_tls_ca", ca.display());
        }
        if let Some(TlsIdentity { cert, key }) = &self.identity {
            into.line("nats_tls_cert", cert.display());
            into.line("nats_tls_key", key.display());
        }
    }
}

fn servers(reader: &Reader<'_>) -> Vec<String> {
    let Some(found) = reader.find(&["nats_servers", "nats_url"]) else {
        return vec!["nats://127.0.0.1:4222".to_owned()];
    };
    let listed = found.text.split(',').map(str::trim).filter(|server| !server.is_empty());
    let servers: Vec<String> = listed.map(str::to_owned).collect();
    if servers.is_empty() {
        reader.problems.shown(&found.name, &found.text, "names no server");
    }
    for server in &servers {
        check_server(reader, &found, server);
    }
    servers
}

/// A URL with a password in it would end up in log lines, so it is refused unseen.
fn check_server(reader: &Reader<'_>, found: &Found<'_>, server: &str) {
    if server.contains('@') {
        reader.problems.hidden(
            &found.name,
            "must not hold a user, password or token (value not \
         shown): use NATS_USER and NATS_PASSWORD, or NATS_AUTH_TOKEN",
        );
        return;
    }
    let good = Url::parse(server).is_ok_and(|url| {
        matches!(url.scheme(), "nats" | "tls")
            && url.host_str().is_some_and(|host| !host.is_empty())
            && matches!(url.path(), "" | "/")
            && url.query().is_none()
            && url.fragment().is_none()
    });
    if !good {
        reader.problems.shown(
            &found.name,
            server,
            "use nats://host:port or tls://host:port, several joined by commas",
        );
    }
}

/// A server takes one kind of proof; saying two would leave open which one counts.
fn auth(reader: &Reader<'_>) -> NatsAuth {
    let (user, password) = (reader.secret("nats_user"), reader.secret("nats_password"));
    let (creds, token) = (credentials(reader), reader.secret("nats_auth_token"));
    let named: Vec<&str> = [&user, &creds, &token].into_iter().filter_map(name_of).collect();
    if named.len() > 1 {
        let reason = format!("only one way to authenticate may be set, and these are: {}", named.join(", "));
        reader.problems.hidden(named[0], reason);
    }
    match (user, password, creds, token) {
        (SecretFound::Given(_, user), SecretFound::Given(_, password), _, _) => {
            NatsAuth::User { user: user.expose().trim().to_owned(), password }
        }
        (SecretFound::Given(name, _), SecretFound::Absent, _, _) => {
            reader.problems.hidden(&name, "needs NATS_PASSWORD or NATS_PASSWORD_FILE beside it");
            NatsAuth::Anonymous
        }
        (SecretFound::Absent, SecretFound::Given(name, _), _, _) => {
            reader.problems.hidden(&name, "needs NATS_USER or NATS_USER_FILE beside it");
            NatsAuth::Anonymous
        }
        (_, _, SecretFound::Given(_, creds), _) => NatsAuth::Credentials(creds),
        (_, _, _, SecretFound::Given(_, token)) => NatsAuth::Token(token),
        (
            SecretFound::Absent | SecretFound::Refused,
            SecretFound::Absent | SecretFound::Refused,
            SecretFound::Absent | SecretFound::Refused,
            SecretFound::Absent | SecretFound::Refused,
        )
        | (SecretFound::Given(..), SecretFound::Refused, ..)
        | (SecretFound::Refused, SecretFound::Given(..), ..) => NatsAuth::Anonymous,
    }
}

fn name_of(found: &SecretFound) -> Option<&str> {
    match found {
        SecretFound::Given(name, _) => Some(name),
        SecretFound::Absent | SecretFound::Refused => None,
    }
}

/// `NATS_CREDS` is the path of a credentials file, as everywhere in the NATS world, or its text.
fn credentials(reader: &Reader<'_>) -> SecretFound {
    let key = reader.find(&["nats_creds", "nats_creds_file"]).map(|found| found.key);
    let found = match reader.secret("nats_creds") {
        SecretFound::Given(name, text) if key == Some("nats_creds") && !is_credentials(&text) => {
            reader.secret_file(name, text.expose().trim())
        }
        other @ (SecretFound::Given(..) | SecretFound::Absent | SecretFound::Refused) => other,
    };
    match found {
        SecretFound::Given(name, text) if !is_credentials(&text) => {
            reader.problems.hidden(
                &name,
                "holds no NATS credentials (there is no -----BEGIN \
             line)",
            );
            SecretFound::Refused
        }
        other @ (SecretFound::Given(..) | SecretFound::Absent | SecretFound::Refused) => other,
    }
}

fn is_credentials(text: &Secret) -> bool {
    is_pem(text.expose())
}

fn is_pem(text: &str) -> bool {
    text.contains("-----BEGIN")
}

fn tls(reader: &Reader<'_>) -> Option<NatsTls> {
    let [ca, cert, key] = ["nats_tls_ca", "nats_tls_cert", "nats_tls_key"].map(|name| readable(reader, name));
    let identity = match (cert, key) {
        (Some(cert), Some(key)) => Some(TlsIdentity { cert, key }),
        (Some(_), None) => {
            reader.problems.hidden(&reader.name("nats_tls_cert"), "needs NATS_TLS_KEY beside it");
            None
        }
        (None, Some(_)) => {
            reader.problems.hidden(&reader.name("nats_tls_key"), "needs NATS_TLS_CERT beside it");
            None
        }
        (None, None) => None,
    };
    (ca.is_some() || identity.is_some()).then_some(NatsTls { ca, identity })
}

/// A path that was said; a problem when no file can be read there.
fn readable(reader: &Reader<'_>, key: &str) -> Option<PathBuf> {
    let found = reader.find(&[key])?;
    if is_pem(&found.text) {
        reader.problems.hidden(&found.name, "is the text of a file (value not shown): use the file's path");
    } else if let Err(error) = std::fs::File::open(&found.text) {
        reader.problems.shown(
            &found.name,
            &found.text,
            format!(
                "the file cannot be read: \
         {error}"
            ),
        );
    }
    Some(PathBuf::from(found.text))
}

fn domain(reader: &Reader<'_>) -> Option<String> {
    let found = reader.find(&["jetstream_domain"])?;
    if let Some(reason) = name_problem(&found.text) {
        reader.problems.shown(&found.name, &found.text, reason);
    }
    Some(found.text)
}
