use tokio::signal::unix::{SignalKind, signal};

/// Returns on the first SIGTERM or SIGINT. The second one ends the process at once.
pub(crate) async fn asked() {
    next().await;
    tracing::info!("asked to stop: what is in hand is finished");
    tokio::spawn(async {
        next().await;
        tracing::warn!("asked again: stopping at once");
        std::process::exit(1);
    });
}

async fn next() {
    match (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) {
        (Ok(mut terminate), Ok(mut interrupt)) => {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        }
        // Without handlers the signals end the process themselves.
        (Err(error), _) | (_, Err(error)) => {
            tracing::error!(%error, "cannot listen for signals");
            std::future::pending::<()>().await;
        }
    }
}
