//! Temporary and kept state folders.

use sea_mq_stack::{Launch, StackError, StateDir};

use super::proc;

#[test]
fn a_temporary_folder_goes_with_its_last_clone() {
    let state = StateDir::temporary().unwrap();
    let path = state.path().to_path_buf();
    let clone = state.clone();
    drop(state);
    assert!(path.is_dir());
    drop(clone);
    proc::eventually("the folder is gone", || !path.exists());
}

#[tokio::test]
async fn a_temporary_folder_stays_while_a_process_runs_in_it() {
    let state = StateDir::temporary().unwrap();
    let path = state.path().to_path_buf();
    let launch = Launch::new("sleeper", "sleep").arg("1000");
    let process = launch.start(&state).await.unwrap();
    drop(state);
    assert!(path.is_dir() && process.is_running());
    let pid = process.pid();
    drop(process);
    proc::eventually("the folder is gone", || !path.exists());
    assert!(!proc::alive(pid));
}

#[test]
fn a_kept_folder_has_one_owner_at_a_time() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("state");
    let first = StateDir::kept(&path).unwrap();
    let refused = StateDir::kept(&path).unwrap_err();
    assert!(matches!(refused, StackError::StateInUse { .. }), "{refused}");
    drop(first);
    StateDir::kept(&path).unwrap();
    assert!(path.is_dir());
}
