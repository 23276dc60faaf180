//! Servers and temporary folders go when the program that made them is killed.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use sea_mq_stack::{Binaries, Launch, Postgres, PostgresOptions, StateDir};

use super::proc;

/// A program that has brought up Postgres and three NATS nodes.
struct Victim {
    program: Child,
    state: PathBuf,
    ports: Vec<u16>,
}

fn victim(arguments: &[&str]) -> Victim {
    let mut program = Command::new(env!("CARGO_BIN_EXE_sea-mq-stack"))
        .args(arguments)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut state, mut ports) = (PathBuf::new(), Vec::new());
    for line in BufReader::new(program.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        match line.split_once(' ') {
            Some(("state", path)) => state = path.into(),
            Some((_, urls)) => ports.extend(urls.split(',').map(port_of)),
            None => break,
        }
    }
    assert!(state.is_dir(), "it did not get ready");
    Victim { program, state, ports }
}

fn port_of(url: &str) -> u16 {
    let address = url.rsplit_once(':').unwrap().1;
    address.split('/').next().unwrap().parse().unwrap()
}

/// Servers and keepers alike name the state folder on their command line.
fn processes_of(victim: &Victim) -> Vec<u32> {
    proc::with_argument(victim.state.to_str().unwrap())
}

#[test]
fn everything_goes_when_the_program_is_killed() {
    let mut victim = victim(&["--nodes", "3"]);
    let family = processes_of(&victim);
    assert!(family.len() >= 8, "servers and keepers: {family:?}");

    victim.program.kill().unwrap();
    victim.program.wait().unwrap();

    proc::eventually("no process is left", || {
        family.iter().all(|pid| !proc::alive(*pid)) && processes_of(&victim).is_empty()
    });
    proc::eventually("the folder is gone", || !victim.state.exists());
    for port in &victim.ports {
        TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).unwrap();
    }
}

#[test]
fn a_kept_folder_stays_and_serves_the_next_program_at_once() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("kept");
    let arguments = ["--state", folder.to_str().unwrap()];
    let mut first = victim(&arguments);
    first.program.kill().unwrap();
    first.program.wait().unwrap();
    let mut second = victim(&arguments);
    assert_eq!(first.state, second.state);
    second.program.kill().unwrap();
    second.program.wait().unwrap();
    proc::eventually("no process is left", || processes_of(&second).is_empty());
    assert!(folder.join("postgres/data").is_dir());
}

#[tokio::test]
async fn root_without_user_namespaces_runs_postgres_as_nobody() {
    let closed = tempfile::tempdir().unwrap();
    let folder = closed.path().join("state");
    let state = StateDir::temporary().unwrap();
    let program = Launch::new("stack", env!("CARGO_BIN_EXE_sea-mq-stack"))
        .args(["--state", folder.to_str().unwrap()])
        .env("SEA_MQ_USER_NAMESPACE", "never")
        .start(&state)
        .await
        .unwrap();
    let limit = Duration::from_secs(60);
    program.wait_for_line("ready", limit).await.unwrap();
    program.terminate().await.unwrap();
    let status = program.wait_within(limit).await.unwrap();
    assert!(status.success(), "{status}: {}", program.output());
}

/// Even the keeper may be killed: the kernel then takes its child along.
#[tokio::test]
async fn a_server_goes_when_its_keeper_is_killed() {
    let state = StateDir::temporary().unwrap();
    let postgres =
        Postgres::start(&Binaries::find().unwrap(), &state, PostgresOptions::default()).await.unwrap();
    let family = proc::tree(postgres.process().pid());
    let keeper = proc::parent(postgres.process().pid());
    let killed = Command::new("kill").args(["-KILL", &keeper.to_string()]).status();
    assert!(killed.unwrap().success());
    proc::eventually("the server is gone", || family.iter().all(|pid| !proc::alive(*pid)));
    assert!(!postgres.process().wait().await.success());
}

#[test]
fn wrong_arguments_are_refused() {
    let output = Command::new(env!("CARGO_BIN_EXE_sea-mq-stack")).args(["--nodes", "many"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("many") && text.contains("usage"), "{text}");
}
