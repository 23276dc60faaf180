use std::path::{Path, PathBuf};

use anyhow::Context as _;
use sea_mq_stack::{StateDir, project_root};

/// Copies the logs out of the state folder, which goes with the demo; where to.
pub(crate) fn keep_logs(state: &StateDir) -> anyhow::Result<PathBuf> {
    let target = project_root().join(".state/demo-logs");
    copy(&state.path().join("logs"), &target)
        .with_context(|| format!("cannot keep the logs in {}", target.display()))?;
    Ok(target)
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    if to.exists() {
        std::fs::remove_dir_all(to)?;
    }
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        std::fs::copy(entry.path(), to.join(entry.file_name()))?;
    }
    Ok(())
}
