use std::time::Duration;

use vibespro_public_api::InProcess;

const EVERY: Duration = Duration::from_secs(3600);

/// Forgets old idempotency keys, at the start and every hour. A failure is logged and the next round
/// tries again; ends with the process.
pub(crate) async fn forget_idempotency_keys(vibespro: InProcess) {
    let mut rounds = tokio::time::interval(EVERY);
    rounds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        rounds.tick().await;
        match vibespro.forget_old_idempotency_keys().await {
            Ok(0) => {}
            Ok(keys) => tracing::info!(keys, "old idempotency keys are forgotten"),
            Err(error) => tracing::warn!(%error, "old idempotency keys stay for another hour"),
        }
    }
}
