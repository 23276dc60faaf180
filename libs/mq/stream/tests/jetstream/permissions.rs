use std::sync::Arc;
use std::time::Duration;

use async_nats::{Client, Event, ServerError};
use bytes::Bytes;
use sea_mq_event::ContextName;
use sea_mq_stack::{NatsCluster, NatsOptions, NatsUsers, project_root};
use sea_mq_stream::{
    Auth, Broker, ContextTopology, OutageKind, Outgoing, PublishError, PullError, StreamError,
    SubscriptionTopology, Topology, apply, users_conf, verify,
};
use tokio::sync::{Mutex, mpsc};

use crate::support::{own_server, pull_all, settings};

const USERS: [&str; 4] = ["sea", "vibespro", "provision", "operator"];

/// The two contexts of infra/nats/users.conf, each consuming the other.
fn contexts() -> Vec<ContextTopology> {
    let context = |name: &str, other: &str| {
        let other = ContextName::parse(other).unwrap();
        let mut context = ContextTopology::new(ContextName::parse(name).unwrap(), 1);
        context.max_bytes = 10_000_000;
        context.subscriptions.push(SubscriptionTopology::new(
            &other.event_stream(),
            &format!("{}>", other.event_prefix()),
            &format!("{name}__from_{other}"),
        ));
        context
    };
    vec![context("sea", "vibespro"), context("vibespro", "sea")]
}

async fn server() -> NatsCluster {
    let password = |user: &str| format!("{user}-password");
    let variable = |user: &str| format!("NATS_{}_PASSWORD", user.to_ascii_uppercase());
    let environment = USERS.iter().map(|user| (variable(user), format!("\"{}\"", password(user))));
    own_server(NatsOptions {
        users: NatsUsers::Project,
        environment: environment.collect(),
        ..NatsOptions::nodes(1)
    })
    .await
}

async fn broker(server: &NatsCluster, user: &str) -> Broker {
    let mut settings = settings(server);
    settings.context = user.to_owned();
    settings.auth = Auth::UserPassword { user: user.to_owned(), password: format!("{user}-password") };
    Broker::connect(&settings).await.unwrap()
}

#[test]
fn the_file_is_what_the_topology_declares() {
    let path = project_root().join("infra/nats/users.conf");
    let declared = users_conf(&contexts());
    if std::env::var_os("SEA_MQ_WRITE_USERS_CONF").is_some() {
        std::fs::write(&path, &declared).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap();
    assert!(
        written == declared,
        "{} is not what is declared; write it with SEA_MQ_WRITE_USERS_CONF=1 and this test:\n{declared}",
        path.display()
    );
}

/// A connection that tells whether the server permits a subject.
struct Probe {
    client: Client,
    denials: Mutex<mpsc::UnboundedReceiver<String>>,
}

impl Probe {
    async fn connect(server: &NatsCluster, user: &str) -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        let sender = Arc::new(sender);
        let client = async_nats::ConnectOptions::new()
            .user_and_password(user.to_owned(), format!("{user}-password"))
            .event_callback(move |event| {
                if let Event::ServerError(ServerError::Other(text)) = event {
                    let _ = sender.send(text);
                }
                std::future::ready(())
            })
            .connect(server.client_urls())
            .await
            .unwrap();
        Self { client, denials: Mutex::new(receiver) }
    }

    /// The server answers in order: what is permitted shows by the next denial being that of a
    /// subject which nobody may use.
    async fn permits(&self, act: &str, subject: &str) -> bool {
        let sentinel = format!("nobody.may.{}", uuid::Uuid::new_v4().simple());
        // Kept until the answer is there: dropping it would unsubscribe.
        let mut subscribed = Vec::new();
        for subject in [subject, &sentinel] {
            match act {
                "publish" => self.client.publish(subject.to_owned(), Bytes::new()).await.unwrap(),
                _subscribe => subscribed.push(self.client.subscribe(subject.to_owned()).await.unwrap()),
            }
        }
        let mut denials = self.denials.lock().await;
        let first = tokio::time::timeout(Duration::from_secs(20), denials.recv()).await.unwrap().unwrap();
        if first.contains(&sentinel) {
            return true;
        }
        assert!(first.contains(subject), "{first}");
        let second = tokio::time::timeout(Duration::from_secs(20), denials.recv()).await.unwrap().unwrap();
        assert!(second.contains(&sentinel), "{second}");
        false
    }
}

#[tokio::test]
async fn each_user_may_do_its_work_and_no_more() {
    let server = server().await;
    let api = "$JS.API";
    let table: Vec<(&str, &str, bool, String)> = [
        ("publish", true, "sea.event.case_created.v1"),
        ("publish", true, "sea.dlq.vibespro.event.vibe_created.v1"),
        ("publish", true, "sea-mq.sea.wake"),
        ("publish", true, "$JS.API.STREAM.INFO.SEA_EVENTS"),
        ("publish", true, "$JS.API.STREAM.INFO.SEA_DLQ"),
        ("publish", true, "$JS.API.STREAM.INFO.VIBESPRO_EVENTS"),
        ("publish", true, "$JS.API.CONSUMER.INFO.VIBESPRO_EVENTS.sea__from_vibespro"),
        ("publish", true, "$JS.API.CONSUMER.MSG.NEXT.VIBESPRO_EVENTS.sea__from_vibespro"),
        ("publish", true, "$JS.ACK.VIBESPRO_EVENTS.sea__from_vibespro.1.2.3.4.5"),
        ("publish", true, "$JS.ACK._.hash.VIBESPRO_EVENTS.sea__from_vibespro.1.2.3.4.5"),
        ("publish", true, "$JS.API.CONSUMER.CREATE.VIBESPRO_EVENTS.sea__from_vibespro__gap.vibespro.event.>"),
        ("publish", true, "$JS.API.CONSUMER.MSG.NEXT.VIBESPRO_EVENTS.sea__from_vibespro__gap"),
        ("publish", true, "$JS.API.CONSUMER.INFO.VIBESPRO_EVENTS.sea__from_vibespro__gap"),
        ("publish", true, "$JS.API.CONSUMER.DELETE.VIBESPRO_EVENTS.sea__from_vibespro__gap"),
        ("publish", true, "$JS.API.STREAM.MSG.GET.SEA_EVENTS"),
        ("publish", true, "$JS.API.STREAM.MSG.GET.VIBESPRO_EVENTS"),
        ("subscribe", true, "_INBOX_sea.x.*"),
        ("subscribe", true, "sea-mq.sea.>"),
        // Another context's events, dead letters, control subjects and replies.
        ("publish", false, "vibespro.event.vibe_created.v1"),
        ("publish", false, "vibespro.dlq.sea.event.case_created.v1"),
        ("publish", false, "sea-mq.vibespro.wake"),
        ("publish", false, "_INBOX_vibespro.x.1"),
        ("publish", false, "sea.other.thing"),
        ("subscribe", false, "sea.event.>"),
        ("subscribe", false, "vibespro.event.>"),
        ("subscribe", false, "_INBOX_vibespro.>"),
        ("subscribe", false, "_INBOX.>"),
        ("subscribe", false, "sea-mq.vibespro.>"),
        ("subscribe", false, "$JS.API.>"),
        ("subscribe", false, ">"),
        // Another context's consumers, and any other way into its streams.
        ("publish", false, "$JS.API.CONSUMER.MSG.NEXT.SEA_EVENTS.vibespro__from_sea"),
        ("publish", false, "$JS.API.CONSUMER.INFO.SEA_EVENTS.vibespro__from_sea"),
        ("publish", false, "$JS.ACK.SEA_EVENTS.vibespro__from_sea.1.2.3.4.5"),
        ("publish", false, "$JS.API.CONSUMER.CREATE.VIBESPRO_EVENTS"),
        ("publish", false, "$JS.API.CONSUMER.CREATE.VIBESPRO_EVENTS.sea__from_vibespro__gap"),
        ("publish", false, "$JS.API.CONSUMER.CREATE.VIBESPRO_EVENTS.sea__from_vibespro__gap.>"),
        ("publish", false, "$JS.API.CONSUMER.CREATE.VIBESPRO_EVENTS.sea__from_vibespro.vibespro.event.>"),
        ("publish", false, "$JS.API.CONSUMER.CREATE.VIBESPRO_DLQ.sea__from_vibespro__gap.vibespro.dlq.>"),
        ("publish", false, "$JS.API.CONSUMER.DURABLE.CREATE.VIBESPRO_EVENTS.x"),
        ("publish", false, "$JS.API.CONSUMER.DELETE.VIBESPRO_EVENTS.sea__from_vibespro"),
        ("publish", false, "$JS.API.STREAM.MSG.GET.VIBESPRO_DLQ"),
        ("publish", false, "$JS.API.STREAM.MSG.GET.SEA_DLQ"),
        ("publish", false, "$JS.API.DIRECT.GET.VIBESPRO_EVENTS"),
        ("publish", false, "$JS.API.STREAM.CREATE.X"),
        ("publish", false, "$JS.API.STREAM.UPDATE.SEA_EVENTS"),
        ("publish", false, "$JS.API.STREAM.DELETE.SEA_EVENTS"),
        ("publish", false, "$JS.API.STREAM.PURGE.SEA_EVENTS"),
        ("publish", false, "$JS.API.STREAM.MSG.DELETE.SEA_EVENTS"),
        ("publish", false, "$JS.API.STREAM.LIST"),
        ("publish", false, "$JS.API.INFO"),
        ("publish", false, "$SYS.REQ.SERVER.PING"),
    ]
    .into_iter()
    .map(|(act, permitted, subject)| ("sea", act, permitted, subject.to_owned()))
    .chain([
        ("vibespro", "publish", true, "vibespro.event.vibe_created.v1".to_owned()),
        ("vibespro", "publish", true, format!("{api}.CONSUMER.MSG.NEXT.SEA_EVENTS.vibespro__from_sea")),
        ("vibespro", "publish", false, "sea.event.case_created.v1".to_owned()),
        ("vibespro", "publish", false, format!("{api}.CONSUMER.MSG.NEXT.VIBESPRO_EVENTS.sea__from_vibespro")),
        ("vibespro", "subscribe", false, "_INBOX_sea.>".to_owned()),
        ("provision", "publish", true, format!("{api}.STREAM.CREATE.X")),
        ("provision", "publish", true, format!("{api}.INFO")),
        ("provision", "subscribe", true, "_INBOX_provision.>".to_owned()),
        ("provision", "publish", false, "sea.event.case_created.v1".to_owned()),
        ("provision", "publish", false, "$JS.ACK.SEA_EVENTS.vibespro__from_sea.1.2.3.4.5".to_owned()),
        ("provision", "subscribe", false, "sea.>".to_owned()),
    ])
    .collect();
    for user in ["sea", "vibespro", "provision"] {
        let probe = Probe::connect(&server, user).await;
        for (_, act, permitted, subject) in table.iter().filter(|row| row.0 == user) {
            assert_eq!(probe.permits(act, subject).await, *permitted, "{user} {act} {subject}");
        }
    }
}

fn outgoing(subject: &str, id: &str) -> Outgoing {
    Outgoing {
        subject: subject.to_owned(),
        message_id: id.to_owned(),
        headers: Vec::new(),
        payload: Bytes::from_static(b"{}"),
    }
}

/// Applied by the provisioning user; the way for both workers.
async fn provisioned(server: &NatsCluster) {
    let provision = broker(server, "provision").await;
    for context in contexts() {
        apply(&provision, &Topology::for_context(&context)).await.unwrap();
    }
    // The first one's durable had to wait for the second one's stream.
    let sea = Topology::for_context(&contexts()[0]);
    assert_eq!(apply(&provision, &sea).await.unwrap().blocked().count(), 0);
}

#[tokio::test]
async fn a_worker_can_do_all_of_its_work() {
    let server = server().await;
    provisioned(&server).await;
    let (sea, vibespro) = (broker(&server, "sea").await, broker(&server, "vibespro").await);
    let topology = Topology::for_context(&contexts()[0]);
    let verification = verify(&sea, &topology).await.unwrap();
    assert!(verification.is_in_sync(), "{verification:?}");
    for id in ["1", "2", "3"] {
        vibespro.publish("VIBESPRO_EVENTS", outgoing("vibespro.event.vibe_created.v1", id)).await.unwrap();
    }
    let mut durable = sea.durable("VIBESPRO_EVENTS", "sea__from_vibespro").await.unwrap();
    let all = pull_all(&mut durable, 3, 10).await;
    durable.ack(&all.iter().map(|delivery| delivery.ack.clone()).collect::<Vec<_>>()).await.unwrap();
    crate::support::until("the acks", || async {
        sea.consumer_info("VIBESPRO_EVENTS", "sea__from_vibespro").await.unwrap().num_ack_pending == 0
    })
    .await;
    let range = sea.read_range("VIBESPRO_EVENTS", "sea__from_vibespro", "vibespro.event.>", 2, 3, 10).await;
    let range = range.unwrap();
    assert_eq!((range.messages.len(), range.complete), (2, true));
    let letter = outgoing("sea.dlq.vibespro.event.vibe_created.v1", "1/sea__from_vibespro/0");
    sea.publish("SEA_DLQ", letter).await.unwrap();
    assert_eq!(sea.watch().borrow().denials, 0);
}

#[tokio::test]
async fn a_denial_is_said_at_once_and_as_what_it_is() {
    let server = server().await;
    provisioned(&server).await;
    let sea = broker(&server, "sea").await;
    let started = tokio::time::Instant::now();
    let forged = sea.publish("VIBESPRO_EVENTS", outgoing("vibespro.event.vibe_created.v1", "1")).await;
    let denied = PublishError::Outage { kind: OutageKind::PermissionDenied, detail: String::new() };
    let error = forged.unwrap_err();
    assert_eq!(std::mem::discriminant(&error), std::mem::discriminant(&denied));
    assert!(error.to_string().contains("vibespro.event.vibe_created.v1"), "{error}");
    let text = apply(&sea, &Topology::for_context(&contexts()[0])).await.unwrap_err().to_string();
    assert!(text.contains("sea-mq topology apply"), "{text}");
    let error = sea.durable("SEA_EVENTS", "vibespro__from_sea").await.unwrap_err();
    assert!(matches!(error, StreamError::Denied { .. }), "{error}");
    let vibespro = broker(&server, "vibespro").await;
    vibespro.publish("VIBESPRO_EVENTS", outgoing("vibespro.event.vibe_created.v1", "1")).await.unwrap();
    // The subscription's own filter is pinned: nothing wider, and no other stream.
    for (stream, filter) in [("VIBESPRO_EVENTS", ">"), ("VIBESPRO_DLQ", "vibespro.dlq.>")] {
        let error = sea.read_range(stream, "sea__from_vibespro", filter, 1, 1, 10).await.unwrap_err();
        assert!(matches!(error, StreamError::Denied { .. }), "{error}");
    }
    assert!(started.elapsed() < Duration::from_secs(4), "a denial was waited for like a timeout");
    let state = sea.watch().borrow().clone();
    assert!(state.is_connected() && state.denials >= 4, "{state:?}");
}

#[tokio::test]
async fn the_pinned_filter_cannot_be_got_round() {
    let server = server().await;
    provisioned(&server).await;
    let client = async_nats::ConnectOptions::new()
        .user_and_password("sea".to_owned(), "sea-password".to_owned())
        .custom_inbox_prefix("_INBOX_sea")
        .connect(server.client_urls())
        .await
        .unwrap();
    let subject = "$JS.API.CONSUMER.CREATE.VIBESPRO_EVENTS.sea__from_vibespro__gap.vibespro.event.>";
    let tricks = [
        r#""filter_subject":">""#,
        r#""filter_subject":"""#,
        r#""filter_subjects":[">"]"#,
        r#""filter_subjects":["vibespro.event.>","vibespro.x"]"#,
        r#""filter_subject":"vibespro.event.>","filter_subjects":[">"]"#,
        r#""filter_subject":"vibespro.event.>","durable_name":"another""#,
    ];
    for trick in tricks {
        let body = format!(
            r#"{{"stream_name":"VIBESPRO_EVENTS","action":"create","config":{{"name":"sea__from_vibespro__gap","ack_policy":"none",{trick}}}}}"#
        );
        let answer = client.request(subject, body.into()).await.unwrap();
        let text = String::from_utf8_lossy(&answer.payload);
        assert!(text.contains(r#""error""#), "{trick}: {text}");
    }
}

#[tokio::test]
async fn a_pull_that_is_not_permitted_says_so() {
    let users = r#"authorization { users = [
        { user: sea, password: sea-password, permissions: {
            publish: ["$JS.API.CONSUMER.INFO.S.d"], subscribe: ["_INBOX_sea.>"] } }
        { user: all, password: all-password } ] }"#;
    let options = NatsOptions { users: NatsUsers::Text(users.to_owned()), ..NatsOptions::nodes(1) };
    let server = own_server(options).await;
    let client = async_nats::ConnectOptions::new()
        .user_and_password("all".to_owned(), "all-password".to_owned())
        .connect(server.client_urls())
        .await
        .unwrap();
    let js = async_nats::jetstream::new(client);
    let config = async_nats::jetstream::stream::Config { name: "S".to_owned(), ..Default::default() };
    let stream = js.create_stream(config).await.unwrap();
    let config = async_nats::jetstream::consumer::pull::Config {
        durable_name: Some("d".to_owned()),
        ..Default::default()
    };
    stream.create_consumer(config).await.unwrap();
    let mut durable = broker(&server, "sea").await.durable("S", "d").await.unwrap();
    for _ in 0..2 {
        let error = durable.next_group(10, 10, Duration::from_secs(10)).await.unwrap_err();
        assert!(matches!(error, PullError::Denied { .. }), "{error}");
    }
}
