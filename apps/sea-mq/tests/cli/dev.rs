//! `sea-mq dev`: what a description that cannot run comes to, and the life of the system of this repository.

#[path = "dev/http.rs"]
mod http;
#[path = "dev/processes.rs"]
mod processes;
#[path = "dev/system.rs"]
mod system;

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use serde_json::json;

use crate::dev::http::{Answer, get, send};
use crate::dev::system::{Folder, Running};

/// One context whose handler is nowhere needed.
const SMALL: &str = "nats_nodes = 1\n[context.notes]\nworkers = 1\n";

#[test]
fn a_description_that_cannot_run_is_refused_before_anything_starts() {
    let folder = Folder::empty();
    let absent = folder.dev(&[]).refused();
    assert_eq!(absent.0, 64, "{absent:?}");
    assert!(absent.1.contains("dev.toml: cannot be read: No such file"), "{absent:?}");
    for (description, said) in [
        ("nats_nodse = 1".to_owned(), "unknown field `nats_nodse`"),
        (
            format!("{SMALL}[context.notes.program.notes-api]\ncommand = [\"no-such-program\"]\n"),
            "context.notes.program.notes-api: there is no program no-such-program, neither beside sea-mq nor on PATH",
        ),
        (format!("{SMALL}migrate = [\"bin/migrate\"]\n"), "context.notes.migrate: there is no file /"),
    ] {
        folder.describe(&description);
        let (code, told) = folder.dev(&[]).refused();
        assert_eq!(code, 64, "{told}");
        assert!(told.contains(said), "{said} in {told}");
    }
    folder.promise("note_written.v1.json", "{");
    folder.describe(&format!("contracts = \"contracts\"\n{SMALL}"));
    let (code, told) = folder.dev(&[]).refused();
    assert_eq!(code, 64, "{told}");
    assert!(told.contains("note_written.v1.json"), "{told}");
    (1..=3).for_each(|node| std::fs::create_dir(folder.state().join(format!("nats-{node}"))).unwrap());
    folder.describe(SMALL);
    let (code, told) = folder.dev(&[]).refused();
    assert_eq!(code, 64, "{told}");
    assert!(told.contains("are those of 3 NATS node(s), and nats_nodes is 1; write 3 again"), "{told}");
    assert!(!folder.state().join("postgres").exists());
    folder.wait_until_no_process_is_left();
}

#[test]
fn a_migration_that_fails_ends_everything_and_says_why() {
    let folder = Folder::empty();
    let migrate = r#"migrate = ["sh", "-c", "echo no such column >&2; exit 9"]"#;
    folder.describe(&format!("{SMALL}{migrate}\n"));
    let (code, told) = folder.dev(&[]).refused();
    assert_eq!(code, 1, "{told}");
    assert!(told.contains("the migration of notes failed (exit status: 9):\nno such column"), "{told}");
    folder.wait_until_no_process_is_left();
}

#[test]
fn the_system_of_this_repository_lives_dies_and_comes_back() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = Folder::of_this_repository(taken.local_addr().unwrap().port());

    let running = folder.dev(&[]).ready();
    let port = taken.local_addr().unwrap().port();
    let moved = format!("port {port} is taken: vibespro-api listens on ");
    assert!(running.output().contains(&moved), "{}", running.output());
    let mode = std::fs::metadata(folder.state().join("env")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let first = decided_vibe(&running);
    a_second_one_is_refused(&folder);
    what_is_killed_comes_back(&running);
    assert_eq!(running.interrupted(), Some(0));
    folder.wait_until_no_process_is_left();

    let running = folder.dev(&["--any-ports"]).ready();
    let kept = get(&running.url("VIBESPRO_API"), &format!("/v1/vibes/{first}"));
    assert_eq!((kept.status, kept.body["decision"]["outcome"].as_str()), (200, Some("approved")));
    running.killed();
    folder.wait_until_no_process_is_left();

    let running = folder.dev(&["--any-ports", "--fresh"]).ready();
    let gone = get(&running.url("VIBESPRO_API"), &format!("/v1/vibes/{first}"));
    assert_eq!(gone.status, 404, "{gone:?}");
    assert_eq!(running.terminated(), Some(0));
    folder.wait_until_no_process_is_left();
}

/// A vibe that was created, scored, and decided on by the other context.
fn decided_vibe(running: &Running) -> String {
    let api = running.url("VIBESPRO_API");
    let user = send("PUT", &api, "/v1/users/ada", &json!({ "name": "Ada" }));
    assert!([200, 201].contains(&user.status), "{user:?}");
    let vibe = send("POST", &api, "/v1/vibes", &json!({ "user_id": "ada", "title": "Calm" }));
    let id = vibe.body["vibe_id"].as_str().unwrap().to_owned();
    let path = format!("/v1/vibes/{id}");
    let score = json!({ "expected_revision": 1, "score": 69 });
    assert_eq!(send("POST", &api, &format!("{path}/score"), &score).status, 200);
    let decided = |answer: &Answer| answer.body["decision"]["outcome"] == "approved";
    running.wait_for("a decision", || Some(get(&api, &path)).filter(decided));
    id
}

fn a_second_one_is_refused(folder: &Folder) {
    let (code, told) = folder.dev(&["--any-ports"]).refused();
    assert_eq!(code, 1, "{told}");
    assert!(told.contains("is in use by another running program; stop that one"), "{told}");
}

fn what_is_killed_comes_back(running: &Running) {
    let api = running.url("VIBESPRO_API");
    let worker = running.url("SEA_WORKERS").split(',').next().unwrap().to_owned();
    for (name, url) in
        [("vibespro-api", &api), ("sea-handlers", &running.url("SEA_HANDLERS")), ("sea-worker-1", &worker)]
    {
        running.kill_listening(url);
        let said = format!("{name:18} | --- ended (signal: 9 (SIGKILL)); it is started again in 250ms");
        running.wait_for(&said, || running.output().contains(&said).then_some(()));
        running.wait_for(name, || (get(url, "/health/ready").status == 200).then_some(()));
    }
    for (name, program) in [("nats-1", "nats-server"), ("postgres", "postgres")] {
        running.kill_server(program);
        let said = format!("{name:18} | --- runs again");
        running.wait_for(&said, || running.output().contains(&said).then_some(()));
    }
    running.wait_for("everything", || (get(&api, "/health/ready").status == 200).then_some(()));
    decided_vibe(running);
}

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
