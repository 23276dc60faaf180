use std::fmt::Write as _;

use sea_mq_event::ContextName;

use crate::broker::api_prefix;
use crate::range::GAP_SUFFIX;
use crate::topology::{ContextTopology, SubscriptionTopology};

/// The subjects that a NATS user may use; everything else is denied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permissions {
    /// What it may publish to: messages, requests and acks.
    pub publish: Vec<String>,
    /// What it may subscribe to.
    pub subscribe: Vec<String>,
}

/// What the worker of a context needs, and no more. `domain` is the JetStream domain, if any.
///
/// Subject permissions guard against mistakes and against a stolen password's direct use. They are
/// no wall between contexts that distrust each other: those need separate accounts.
#[must_use]
pub fn worker_permissions(context: &ContextTopology, domain: Option<&str>) -> Permissions {
    let api = api_prefix(domain);
    let name = &context.context;
    let mut publish = vec![
        format!("{}>", context.publish_prefix),
        format!("{}>", context.dlq_prefix),
        format!("sea-mq.{name}.>"),
        format!("{api}.STREAM.INFO.{}", context.publish_stream),
        format!("{api}.STREAM.MSG.GET.{}", context.publish_stream),
        format!("{api}.STREAM.INFO.{}", context.dlq_stream),
    ];
    for subscription in &context.subscriptions {
        let (stream, durable) = (&subscription.stream, &subscription.durable);
        let gap = format!("{durable}{GAP_SUFFIX}");
        publish.extend([
            format!("{api}.STREAM.INFO.{stream}"),
            format!("{api}.CONSUMER.INFO.{stream}.{durable}"),
            format!("{api}.CONSUMER.MSG.NEXT.{stream}.{durable}"),
            format!("$JS.ACK.{stream}.{durable}.>"),
            format!("$JS.ACK.*.*.{stream}.{durable}.>"),
            format!("{api}.CONSUMER.CREATE.{stream}.{gap}.{}", subscription.filter),
            format!("{api}.CONSUMER.INFO.{stream}.{gap}"),
            format!("{api}.CONSUMER.MSG.NEXT.{stream}.{gap}"),
            format!("{api}.CONSUMER.DELETE.{stream}.{gap}"),
        ]);
        // A single message is read by its place, whatever its subject: nobody's but one's own where the
        // subscription takes the whole stream.
        if takes_whole_stream(subscription) {
            publish.push(format!("{api}.STREAM.MSG.GET.{stream}"));
        }
    }
    let mut seen = std::collections::HashSet::new();
    publish.retain(|subject| seen.insert(subject.clone()));
    Permissions { publish, subscribe: vec![format!("_INBOX_{name}.>"), format!("sea-mq.{name}.>")] }
}

/// True when the filter is all that a context's event stream stores.
fn takes_whole_stream(subscription: &SubscriptionTopology) -> bool {
    let source = subscription.filter.strip_suffix(".event.>").and_then(|name| ContextName::parse(name).ok());
    source.is_some_and(|source| source.event_stream() == subscription.stream)
}

/// What the provisioning user needs: JetStream's whole API, and no event.
#[must_use]
pub fn provision_permissions(domain: Option<&str>) -> Permissions {
    Permissions {
        publish: vec![format!("{}.>", api_prefix(domain))],
        subscribe: vec!["_INBOX_provision.>".to_owned()],
    }
}

/// The `authorization` block of the servers for these contexts: one user for each, one that
/// provisions, one that may do everything. Passwords come from the servers' environment.
#[must_use]
pub fn users_conf(contexts: &[ContextTopology]) -> String {
    let mut text = String::from(HEAD);
    text.push_str("authorization {\n  users = [\n");
    for context in contexts {
        let name = context.context.as_str();
        user(&mut text, name, Some(&worker_permissions(context, None)));
    }
    user(&mut text, "provision", Some(&provision_permissions(None)));
    user(&mut text, "operator", None);
    text.push_str("  ]\n}\n");
    text
}

const HEAD: &str = "\
# Users of the servers: one for each context with no more than its worker needs, one that applies the
# topology, and one for people on call. Written by sea-mq from its declared topology; a test compares.
#
# Each password comes from the environment of nats-server, as NATS_{USER}_PASSWORD: plain, or bcrypt as
# `nats server passwd` makes it. Put double quotes inside the value, such as NATS_SEA_PASSWORD='\"s3cret\"':
# without them nats-server reads digits as a number and a bcrypt hash as a variable.
# A variable that is missing keeps the server from starting.

";

fn user(text: &mut String, name: &str, permissions: Option<&Permissions>) {
    let variable = name.to_ascii_uppercase();
    // Writing to a String cannot fail.
    let _ = writeln!(text, "    {{\n      user: {name}, password: $NATS_{variable}_PASSWORD");
    if let Some(Permissions { publish, subscribe }) = permissions {
        text.push_str("      permissions: {\n");
        list(text, "publish", publish);
        list(text, "subscribe", subscribe);
        text.push_str("      }\n");
    }
    text.push_str("    }\n");
}

fn list(text: &mut String, name: &str, subjects: &[String]) {
    let _ = writeln!(text, "        {name}: [");
    for subject in subjects {
        let _ = writeln!(text, "          \"{subject}\"");
    }
    text.push_str("        ]\n");
}
