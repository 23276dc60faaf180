use sea_mq_event::ContextName;
use sea_mq_stack::{Binaries, NatsCluster, NatsOptions, NatsUsers, StateDir, free_port, shared_nats};
use sea_mq_stream::{ContextTopology, users_conf};

use crate::program::{Run, sea_mq, unique_name, with_env};

/// A topology command for `context` with one stored copy, on the NATS node of this process.
fn topology(verb: &str, servers: &str, context: &str, more: &[&str]) -> Run {
    let mut args = vec![
        "topology",
        verb,
        "--context",
        context,
        "--nats-servers",
        servers,
        "--replicas",
        "1",
        "--max-bytes",
        "1048576",
    ];
    args.extend(more);
    sea_mq(&args)
}

#[tokio::test]
async fn plan_apply_verify() {
    let servers = shared_nats().await.unwrap().client_urls().join(",");
    let (own, other) = (unique_name(), unique_name());
    let stream = format!("{}_EVENTS", other.to_uppercase());
    let subscribe = format!("{stream}:{other}.event.>");
    let more = ["--subscribe", subscribe.as_str(), "--json"];

    let absent = topology("verify", &servers, &own, &more);
    assert_eq!(absent.code, 1, "{absent:?}");
    let plan = topology("plan", &servers, &own, &more).json();
    assert_eq!(plan["in_sync"], false);
    topology("apply", &servers, &own, &["--dry-run"]).done();
    assert_eq!(topology("verify", &servers, &own, &more).code, 1, "a dry run changes nothing");

    // The other context's stream does not exist yet: the rest is made, and that is said.
    let partly = topology("apply", &servers, &own, &more);
    assert_eq!(partly.code, 3, "{partly:?}");
    assert!(partly.err.contains("1 of 3 parts wait"), "{partly:?}");
    topology("apply", &servers, &other, &[]).done();
    topology("apply", &servers, &own, &more).done();
    assert_eq!(topology("verify", &servers, &own, &more).json()["in_sync"], true);

    // Drift is named field by field.
    let drifted = sea_mq(&[
        "topology",
        "verify",
        "--context",
        &other,
        "--nats-servers",
        &servers,
        "--replicas",
        "1",
        "--max-bytes",
        "2097152",
    ]);
    assert_eq!(drifted.code, 1, "{drifted:?}");
    assert!(drifted.out.contains("max_bytes is 1048576, declared is 2097152"), "{drifted:?}");
}

#[tokio::test]
async fn unreachable_and_unusable() {
    let closed = format!("nats://127.0.0.1:{}", free_port().unwrap());
    topology("plan", &closed, "sea", &[]).refused(69, "no NATS server can be reached");
    topology("plan", "nats://:::", "sea", &[]).refused(64, "not a NATS server address");
    sea_mq(&["topology", "plan"]).refused(64, "CONTEXT");
    assert_eq!(topology("plan", &closed, "sea", &["--subscribe", "nonsense"]).code, 2);
    assert_eq!(sea_mq(&["topology", "apply", "--context", "sea", "--replicas", "2"]).code, 2);
}

/// One node that knows the users of context `sea`; every password is `{user}-pw`.
async fn guarded_node() -> NatsCluster {
    let sea = ContextTopology::new(ContextName::parse("sea").unwrap(), 1);
    let password = |user: &str| (format!("NATS_{}_PASSWORD", user.to_uppercase()), format!("\"{user}-pw\""));
    let options = NatsOptions {
        users: NatsUsers::Text(users_conf(&[sea])),
        environment: ["sea", "provision", "operator"].map(password).to_vec(),
        ..NatsOptions::nodes(1)
    };
    NatsCluster::start(&Binaries::find().unwrap(), &StateDir::temporary().unwrap(), options).await.unwrap()
}

#[tokio::test]
async fn only_the_provisioning_user_may_apply() {
    let node = guarded_node().await;
    let servers = node.client_urls().join(",");
    let as_user = |verb: &str, user: &str, password: &str| {
        let args = ["topology", verb, "--context", "sea", "--replicas", "1", "--max-bytes", "1048576"];
        with_env(&args, &[("NATS_SERVERS", &servers), ("NATS_USER", user), ("NATS_PASSWORD", password)])
    };
    as_user("apply", "sea", "wrong").refused(77, "refuses the login of user `sea`");
    as_user("apply", "sea", "sea-pw").refused(77, "does not permit");
    as_user("apply", "provision", "provision-pw").done();
    assert!(as_user("verify", "sea", "sea-pw").done().starts_with("in sync"));
}
