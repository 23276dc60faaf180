use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_nats::{Client, ConnectErrorKind, ConnectOptions, Event, ServerAddr};
use rand::RngExt as _;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::error::StreamError;
use crate::replies::Replies;
use crate::settings::{Auth, ConnectSettings, TlsFiles};
use crate::state::{BrokerState, Consequence};

/// A server that is frozen or cut off is noticed after three of these without a sign of life.
const PING_INTERVAL: Duration = Duration::from_secs(2);

/// What the background of a connection reports to.
pub(crate) struct Listeners {
    pub(crate) replies: Arc<Replies>,
    pub(crate) state: Arc<watch::Sender<BrokerState>>,
}

/// Makes one attempt at each server; the caller decides whether to try again.
pub(crate) async fn connect(settings: &ConnectSettings, listeners: Listeners) -> Result<Client, StreamError> {
    let addresses = parse_servers(&settings.servers)?;
    let servers = display_servers(&addresses);
    let connected_once = Arc::new(AtomicBool::new(false));
    let options = options(settings, Arc::clone(&connected_once)).await?;
    let options = options.event_callback(move |event| {
        tell(&event, &listeners);
        std::future::ready(())
    });
    let client =
        options.connect(addresses).await.map_err(|error| explain(&error, servers, &settings.auth))?;
    connected_once.store(true, Ordering::Relaxed);
    Ok(client)
}

/// `nats://a:4222, nats://b:4222`, with user and password taken out.
pub(crate) fn display_servers(addresses: &[ServerAddr]) -> String {
    let shown: Vec<String> = addresses
        .iter()
        .map(|address| format!("{}://{}:{}", address.scheme(), address.host(), address.port()))
        .collect();
    shown.join(", ")
}

/// The addresses of the settings.
pub(crate) fn parse_servers(servers: &[String]) -> Result<Vec<ServerAddr>, StreamError> {
    if servers.is_empty() {
        let reason = "NATS_SERVERS lists none".to_owned();
        return Err(StreamError::BadAddress { address: String::new(), reason });
    }
    servers.iter().map(|server| parse_server(server.trim())).collect()
}

fn parse_server(server: &str) -> Result<ServerAddr, StreamError> {
    let bad = |reason: String| StreamError::BadAddress { address: without_secret(server), reason };
    let address: ServerAddr = server.parse().map_err(|error: std::io::Error| bad(error.to_string()))?;
    if address.host().is_empty() {
        return Err(bad("it has no host".to_owned()));
    }
    if address.is_websocket() {
        return Err(bad("websocket is not supported".to_owned()));
    }
    Ok(address)
}

fn without_secret(server: &str) -> String {
    match (server.find("://"), server.rfind('@')) {
        (Some(scheme), Some(at)) if scheme < at => {
            format!("{}://…@{}", &server[..scheme], &server[at + 1..])
        }
        (None, Some(at)) => format!("…@{}", &server[at + 1..]),
        (Some(_) | None, None | Some(_)) => server.to_owned(),
    }
}

async fn options(
    settings: &ConnectSettings,
    connected_once: Arc<AtomicBool>,
) -> Result<ConnectOptions, StreamError> {
    let pause = settings.reconnect_delay;
    let options = ConnectOptions::new()
        .name(&settings.client_name)
        .connection_timeout(settings.connect_timeout)
        .custom_inbox_prefix(format!("_INBOX_{}", settings.context))
        .ping_interval(PING_INTERVAL)
        .max_reconnects(settings.reconnect_max)
        .reconnect_delay_callback(move |attempt| {
            let first = !connected_once.load(Ordering::Relaxed);
            if first { Duration::ZERO } else { reconnect_delay(pause, attempt, rand::rng().random()) }
        });
    let options = with_tls(options, settings.tls.as_ref());
    with_auth(options, &settings.auth).await
}

/// Half to one and a half of `pause`; the first attempt comes ten times as soon, since another
/// node of a cluster is usually there. `luck` is in 0..1 and keeps many clients apart.
fn reconnect_delay(pause: Duration, attempt: usize, luck: f64) -> Duration {
    let mean = if attempt <= 1 { pause / 10 } else { pause };
    mean.mul_f64(0.5 + luck)
}

fn with_tls(options: ConnectOptions, tls: Option<&TlsFiles>) -> ConnectOptions {
    let Some(files) = tls else { return options };
    let options = match &files.ca {
        Some(ca) => options.add_root_certificates(ca.clone()),
        None => options,
    };
    let options = match (&files.cert, &files.key) {
        (Some(cert), Some(key)) => options.add_client_certificate(cert.clone(), key.clone()),
        (Some(_) | None, None) | (None, Some(_)) => options,
    };
    options.require_tls(true)
}

async fn with_auth(options: ConnectOptions, auth: &Auth) -> Result<ConnectOptions, StreamError> {
    match auth {
        Auth::None => Ok(options),
        Auth::UserPassword { user, password } => {
            Ok(options.user_and_password(user.clone(), password.clone()))
        }
        Auth::Token(token) => Ok(options.token(token.clone())),
        Auth::Credentials(text) => {
            options.credentials(text).map_err(|error| StreamError::Credentials { reason: error.to_string() })
        }
    }
}

fn tell(event: &Event, listeners: &Listeners) {
    let mut consequence = Consequence::None;
    listeners.state.send_modify(|state| consequence = state.apply(event, Instant::now()));
    match consequence {
        Consequence::None => {}
        Consequence::RepliesLost => listeners.replies.lose(),
        Consequence::Denied(denial) => {
            tracing::warn!(
                subject = denial.subject,
                "NATS does not permit this user to {} it",
                denial.action
            );
            listeners.replies.deny(&denial);
        }
    }
}

fn explain(error: &async_nats::ConnectError, servers: String, auth: &Auth) -> StreamError {
    let reason = error.to_string();
    match error.kind() {
        ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication => {
            StreamError::LoginRefused { servers, identity: auth.to_string() }
        }
        ConnectErrorKind::Tls => StreamError::Tls { servers, reason },
        ConnectErrorKind::ServerParse => StreamError::BadAddress { address: servers, reason },
        ConnectErrorKind::Dns
        | ConnectErrorKind::TimedOut
        | ConnectErrorKind::Io
        | ConnectErrorKind::MaxReconnects => StreamError::Unreachable { servers, reason },
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use super::{display_servers, parse_servers, reconnect_delay, without_secret};

    #[test]
    fn addresses_show_no_secret() {
        let servers = ["nats://sea:hunter2@10.0.0.1:4222".to_owned(), "nats-2".to_owned()];
        let shown = display_servers(&parse_servers(&servers).unwrap());
        assert_eq!(shown, "nats://10.0.0.1:4222, nats://nats-2:4222");
        for bad in ["http://x:hunter2@h", "x:hunter2@h:notaport", "nats://x:hunter2@h:99999"] {
            let error = parse_servers(&[bad.to_owned()]).unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
        assert_eq!(without_secret("nats://h:1"), "nats://h:1");
    }

    #[test]
    fn pauses_are_jittered_around_the_setting() {
        let pause = Duration::from_millis(200);
        assert_eq!(reconnect_delay(pause, 1, 0.5), Duration::from_millis(20));
        assert_eq!(reconnect_delay(pause, 2, 0.0), Duration::from_millis(100));
        assert_eq!(reconnect_delay(pause, 9, 1.0), Duration::from_millis(300));
    }
}
