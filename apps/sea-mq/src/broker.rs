//! How a command reaches NATS: the worker's variables, and perhaps other servers.

use sea_mq_config::{NatsAuth, NatsSettings, NatsTls};
use sea_mq_event::ContextName;
use sea_mq_stream::{Auth, Broker, ConnectSettings, TlsFiles};

use crate::failure::Failure;

/// Connects as the user of the settings; without one, as anybody of `context`.
pub(crate) async fn connect(
    nats: &NatsSettings,
    context: &ContextName,
    client_name: &str,
) -> Result<Broker, Failure> {
    let settings = ConnectSettings {
        auth: login(&nats.auth),
        tls: nats.tls.as_ref().map(tls_files),
        connect_timeout: nats.connect_timeout,
        reconnect_max: nats.reconnect_max,
        reconnect_delay: nats.reconnect_delay,
        domain: nats.domain.clone(),
        client_name: client_name.to_owned(),
        ..ConnectSettings::new(nats.servers.clone(), &inbox(&nats.auth, context))
    };
    Ok(Broker::connect(&settings).await?)
}

/// Every user may subscribe below an inbox of its own name; without users any will do.
fn inbox(auth: &NatsAuth, context: &ContextName) -> String {
    match auth {
        NatsAuth::User { user, .. } if is_name(user) => user.clone(),
        NatsAuth::User { .. } | NatsAuth::Anonymous | NatsAuth::Credentials(_) | NatsAuth::Token(_) => {
            context.to_string()
        }
    }
}

/// A name that can stand in a subject, and be that of a stream or durable.
pub(crate) fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

fn login(auth: &NatsAuth) -> Auth {
    match auth {
        NatsAuth::Anonymous => Auth::None,
        NatsAuth::User { user, password } => {
            Auth::UserPassword { user: user.clone(), password: password.expose().to_owned() }
        }
        NatsAuth::Token(token) => Auth::Token(token.expose().to_owned()),
        NatsAuth::Credentials(text) => Auth::Credentials(text.expose().to_owned()),
    }
}

fn tls_files(tls: &NatsTls) -> TlsFiles {
    TlsFiles {
        cert: tls.identity.as_ref().map(|identity| identity.cert.clone()),
        key: tls.identity.as_ref().map(|identity| identity.key.clone()),
        ca: tls.ca.clone(),
    }
}
