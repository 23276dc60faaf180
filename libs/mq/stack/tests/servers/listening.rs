//! Nothing listens where another machine could reach it.

use std::net::Ipv4Addr;

use sea_mq_stack::{Binaries, NatsCluster, NatsOptions, Postgres, PostgresOptions, StateDir};

use super::proc;

#[tokio::test]
async fn servers_listen_on_the_loopback_address_alone() {
    let state = StateDir::temporary().unwrap();
    let binaries = Binaries::find().unwrap();
    let postgres = Postgres::start(&binaries, &state, PostgresOptions::default()).await.unwrap();
    let nats = NatsCluster::start(&binaries, &state, NatsOptions::nodes(3)).await.unwrap();

    let mut found = proc::listening(postgres.process().pid());
    assert_eq!(found, [(Some(Ipv4Addr::LOCALHOST), postgres.port())]);
    for node in nats.nodes() {
        let sockets = proc::listening(node.process().pid());
        assert_eq!(sockets.len(), 3, "client, monitor, route: {sockets:?}");
        found.extend(sockets);
    }
    for (address, port) in found {
        assert_eq!(address, Some(Ipv4Addr::LOCALHOST), "port {port}");
    }
}
