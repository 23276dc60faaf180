use tokio::signal::unix::{SignalKind, signal};

/// Returns when somebody asks the program to stop: SIGTERM or SIGINT. A second one ends it before
/// what is in hand is finished.
pub(crate) async fn asked() {
    let (terminate, interrupt) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()));
    let (Ok(mut terminate), Ok(mut interrupt)) = (terminate, interrupt) else {
        tracing::warn!("signals cannot be heard: only SIGKILL stops this program");
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("stopping: finishing what is in hand");
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::warn!("stopped before what was in hand was finished");
        std::process::exit(1);
    });
}
