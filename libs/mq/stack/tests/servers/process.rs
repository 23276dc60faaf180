//! Processes of any kind: workers, handlers.

use std::time::Duration;

use sea_mq_stack::{Launch, Process, StackError, StateDir};

use super::proc;

const LIMIT: Duration = Duration::from_secs(10);

async fn shell(state: &StateDir, script: &str) -> Process {
    Launch::new("script", "sh").args(["-c", script]).env("GREETING", "hello").start(state).await.unwrap()
}

#[tokio::test]
async fn lines_are_awaited_in_order_and_the_end_is_reported() {
    let state = StateDir::temporary().unwrap();
    let process = shell(&state, "echo $GREETING one; echo $GREETING two >&2; exit 7").await;
    for expected in ["hello one", "hello two"] {
        let line = process.wait_for_line("hello", LIMIT).await.unwrap();
        assert_eq!(line, expected);
    }
    let status = process.wait_within(LIMIT).await.unwrap();
    assert_eq!(status.code(), Some(7));
    let error = process.wait_for_line("three", LIMIT).await.unwrap_err();
    assert!(matches!(error, StackError::Ended { .. }), "{error}");
    assert!(error.to_string().contains("hello two"), "{error}");
}

#[tokio::test]
async fn a_line_that_never_comes_is_named() {
    let state = StateDir::temporary().unwrap();
    let process = shell(&state, "exec sleep 1000").await;
    let error = process.wait_for_line("never", Duration::from_millis(50)).await.unwrap_err();
    assert!(matches!(error, StackError::Timeout { .. }));
    assert!(error.to_string().contains("never"), "{error}");
}

#[tokio::test]
async fn sigterm_reaches_the_process_which_may_finish_its_work() {
    let state = StateDir::temporary().unwrap();
    let script = "trap 'echo finishing; exit 0' TERM; echo up; while :; do sleep 0.01; done";
    let process = shell(&state, script).await;
    process.wait_for_line("up", LIMIT).await.unwrap();
    process.terminate().await.unwrap();
    process.wait_for_line("finishing", LIMIT).await.unwrap();
    assert!(process.wait_within(LIMIT).await.unwrap().success());
}

#[tokio::test]
async fn a_kill_takes_what_the_process_started_even_in_its_own_session() {
    let state = StateDir::temporary().unwrap();
    let script = "setsid sleep 1000 & echo child $!; wait";
    let mut process = shell(&state, script).await;
    let line = process.wait_for_line("child", LIMIT).await.unwrap();
    let child: u32 = line.rsplit_once(' ').unwrap().1.parse().unwrap();
    proc::eventually("the child runs", || proc::alive(child));
    process.kill().await;
    assert!(!process.is_running());
    assert!(!proc::alive(child));
}

#[tokio::test]
async fn what_a_process_leaves_behind_goes_with_it() {
    let state = StateDir::temporary().unwrap();
    let process = shell(&state, "sleep 1000 & echo child $!").await;
    let line = process.wait_for_line("child", LIMIT).await.unwrap();
    let child: u32 = line.rsplit_once(' ').unwrap().1.parse().unwrap();
    assert!(process.wait_within(LIMIT).await.unwrap().success());
    assert!(!proc::alive(child));
}

#[tokio::test]
async fn a_dropped_process_is_killed() {
    let state = StateDir::temporary().unwrap();
    let process = shell(&state, "exec sleep 1000").await;
    let pid = process.pid();
    drop(process);
    proc::eventually("it is gone", || !proc::alive(pid));
}

#[tokio::test]
async fn a_frozen_process_does_nothing_until_it_is_thawed() {
    let state = StateDir::temporary().unwrap();
    let script = "i=0; while :; do i=$((i+1)); echo tick $i; sleep 0.01; done";
    let mut process = shell(&state, script).await;
    process.wait_for_line("tick", LIMIT).await.unwrap();
    process.freeze().await.unwrap();
    // By the system's word, for all of them: no time has to pass to show it.
    let running: Vec<u32> = proc::tree(process.pid()).into_iter().filter(|pid| proc::running(*pid)).collect();
    assert!(running.is_empty(), "{running:?}");
    let frozen = process.output();
    process.thaw().await.unwrap();
    let next = format!("tick {}", frozen.lines().count() + 1);
    process.wait_for_line(&next, LIMIT).await.unwrap();
}

#[tokio::test]
async fn a_missing_program_is_named() {
    let state = StateDir::temporary().unwrap();
    for program in ["/nowhere/program", "no-such-program"] {
        let error = Launch::new("worker", program).start(&state).await.unwrap_err();
        let text = error.to_string();
        assert!(text.contains("worker") && text.contains(program), "{text}");
    }
}
