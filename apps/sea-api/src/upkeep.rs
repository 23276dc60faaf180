use std::time::Duration;

use sea_public_api::InProcess;

const EVERY: Duration = Duration::from_secs(3600);

/// Forgets old idempotency keys, at once and every hour. A failure waits for the next time; it ends
/// when the program does.
pub(crate) async fn forget_idempotency_keys(sea: InProcess) {
    let mut hours = tokio::time::interval(EVERY);
    loop {
        hours.tick().await;
        match sea.forget_old_idempotency_keys().await {
            Ok(0) => {}
            Ok(keys) => tracing::info!(keys, "forgot old idempotency keys"),
            Err(error) => tracing::warn!(%error, "old idempotency keys stay for now"),
        }
    }
}
