use super::World;
use crate::TestkitError;

impl World {
    /// The variables of every worker of a context.
    pub(super) fn base_environment(&self, context: &str) -> Result<Vec<(String, String)>, TestkitError> {
        let own = self.context(context)?;
        let replicas = self.topologies.get(context).map_or(1, |topology| topology.replicas);
        let mut variables = self.servers.worker_environment(own.name.as_str());
        variables.extend(
            [
                ("CONTEXT", own.name.to_string()),
                ("DB_URL", own.urls.worker.clone()),
                ("TOPOLOGY", "verify".to_owned()),
                ("STREAM_REPLICAS", replicas.to_string()),
                ("STREAM_MAX_BYTES", self.options.max_bytes.to_string()),
                ("NATS_RECONNECT_DELAY_MS", "50".to_owned()),
                ("SHUTDOWN_GRACE_SECS", "10".to_owned()),
                (
                    "RUST_LOG",
                    std::env::var("SEA_MQ_TEST_LOG").unwrap_or_else(|_| "info,sea_mq=debug".to_owned()),
                ),
            ]
            .map(|(name, value)| (name.to_owned(), value)),
        );
        Ok(variables)
    }

    /// The variables of a worker that consumes, but for the handler's address.
    pub(super) fn consumer_environment(&self, context: &str) -> Result<Vec<(String, String)>, TestkitError> {
        let durable = self.durable(context)?;
        let subscription =
            self.topologies.get(context).and_then(|topology| topology.subscriptions.first()).ok_or_else(
                || TestkitError::Unexpected(format!("context `{context}` consumes nothing here")),
            )?;
        let variables = [
            ("CONSUME_STREAM", subscription.stream.clone()),
            ("CONSUME_SUBJECT", subscription.filter.clone()),
            ("CONSUMER_DURABLE", durable.to_owned()),
            ("ACK_WAIT_SECS", self.options.ack_wait.as_secs().to_string()),
            ("MAX_DELIVER", self.options.max_deliver.to_string()),
            ("CONSUMER_MAX_ACK_PENDING", self.options.max_ack_pending.to_string()),
            ("HANDLER_TIMEOUT_SECS", "5".to_owned()),
            ("RETRY_BASE_MS", "50".to_owned()),
            ("RETRY_CAP_SECS", "1".to_owned()),
        ];
        Ok(variables.map(|(name, value)| (name.to_owned(), value)).into())
    }
}
