//! Disks that are full, under the servers and alone, and that leave nothing behind.

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use sea_mq_stack::{
    Binaries, Disk, NatsOptions, Postgres, PostgresOptions, StackError, StateDir, private_mounts,
};
use sqlx::{Connection, Executor, PgConnection};

use super::nats::{create_stream, jetstream, jetstream_of, publish, publish_body, start};
use super::partition::{holds, stream_leader};
use super::peer::within;
use super::proc;

const MIB: u64 = 1 << 20;
const ROLE: &str = "SEA_MQ_STACK_TEST_DISK";

/// Where mounting is not allowed, what is refused is told, and that is all to test.
fn allowed() -> bool {
    let folder = tempfile::tempdir().unwrap();
    match Disk::tmpfs(folder.path(), MIB) {
        Ok(_) => true,
        Err(error) => {
            assert!(matches!(error, StackError::NotAllowed { .. }), "{error}");
            assert!(error.to_string().contains("root"), "{error}");
            false
        }
    }
}

/// Whether something is mounted there, as a process sees it: its id, or `self`.
fn mounted(process: &str, path: &Path) -> bool {
    let mounts = std::fs::read_to_string(format!("/proc/{process}/mountinfo")).unwrap_or_default();
    mounts.lines().any(|line| line.split(' ').nth(4) == path.to_str())
}

#[tokio::test]
async fn a_full_disk_takes_nothing_until_it_is_freed() {
    if !allowed() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("hidden"), "below").unwrap();
    let disk = Disk::tmpfs(folder.path(), 4 * MIB).unwrap();
    let file = disk.path().join("file");
    std::fs::write(&file, vec![1; 1_000_000]).unwrap();

    let taken = disk.fill().await.unwrap();
    assert!((2 * MIB..4 * MIB).contains(&taken), "{taken}");
    let error = std::fs::write(disk.path().join("more"), vec![1; 8_192]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StorageFull);
    std::fs::remove_file(&file).unwrap();
    assert!(disk.fill().await.unwrap() > taken, "it takes what was given back");

    disk.free().unwrap();
    disk.free().unwrap();
    std::fs::write(&file, vec![1; 3_000_000]).unwrap();
    drop(disk);
    assert!(!mounted("self", &folder.path().canonicalize().unwrap()));
    assert_eq!(std::fs::read(folder.path().join("hidden")).unwrap(), b"below");
}

#[test]
fn a_disk_needs_a_folder() {
    let error = Disk::tmpfs("/nowhere/at/all", MIB).unwrap_err();
    assert!(matches!(error, StackError::File { .. }), "{error}");
}

const LARGE: &str =
    "CREATE TABLE large AS SELECT repeat(md5(i::text), 20) AS text FROM generate_series(1, 20000) AS i";

#[tokio::test]
async fn postgres_refuses_to_write_on_a_full_disk_and_works_on_a_freed_one() {
    if !allowed() {
        return;
    }
    let state = StateDir::temporary().unwrap();
    let options = PostgresOptions { disk: Some(200 * MIB), ..PostgresOptions::default() };
    let mut postgres = Postgres::start(&Binaries::find().unwrap(), &state, options).await.unwrap();
    let mut connection = PgConnection::connect(&postgres.admin_url()).await.unwrap();
    connection.execute("CREATE TABLE kept AS SELECT 1 AS one").await.unwrap();

    postgres.disk().unwrap().fill().await.unwrap();
    let refused = within("an answer", connection.execute(LARGE)).await.unwrap_err().to_string();
    eprintln!("on a full disk: {refused}");

    postgres.disk().unwrap().free().unwrap();
    postgres.restart().await.unwrap();
    let mut connection = PgConnection::connect(&postgres.admin_url()).await.unwrap();
    connection.execute(LARGE).await.unwrap();
    let rows: i64 = sqlx::query_scalar("SELECT (SELECT count(*) FROM kept) + (SELECT count(*) FROM large)")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(rows, 20_001);
}

#[tokio::test]
async fn a_node_whose_disk_was_full_is_healthy_once_it_is_freed_and_restarted() {
    if !allowed() {
        return;
    }
    let state = StateDir::temporary().unwrap();
    let options = NatsOptions { sync_interval: "2m".into(), disk: Some(64 * MIB), ..NatsOptions::nodes(3) };
    let mut cluster = start(&state, options).await;
    assert!(cluster.nodes().iter().all(|node| node.disk().is_some()));
    let context = jetstream_of(&cluster.nodes()[0]).await;
    create_stream(&context, 3).await;
    publish(&context, "before").await;

    let version = Binaries::find().unwrap().nats_server_version().unwrap();
    let is_one_of = |lines: &[&str]| lines.iter().any(|line| version.contains(line));
    // In 2.12 a leader whose disk is full goes on to lead, and acknowledges nothing until it has room.
    let leader = stream_leader(&cluster).await;
    let full = if is_one_of(&["2.12."]) { (leader + 1) % 3 } else { leader };
    let [one, two] = [(full + 1) % 3, (full + 2) % 3];

    cluster.nodes()[full].disk().unwrap().fill().await.unwrap();
    // A client of another one: what the full one does to its own is its affair.
    let context = jetstream_of(&cluster.nodes()[one]).await;
    for number in 0..LARGE_MESSAGES {
        publish_body(&context, &format!("large {number}"), vec![0; 65_536]).await;
    }
    let total = LARGE_MESSAGES + 1;
    holds(&cluster, one, total).await;
    assert_ne!(cluster.nodes()[full].stream_messages("KEPT").await, Some(total));

    cluster.nodes()[full].disk().unwrap().free().unwrap();
    // Older lines say that they are healthy and do not always notice what they could not write (2.10; 2.12 in
    // one of two tries): such a node has to begin with an empty disk.
    match is_one_of(&["2.10.", "2.11.", "2.12."]) {
        true => cluster.node(full).wipe().await.unwrap(),
        false => cluster.node(full).restart().await.unwrap(),
    }
    cluster.wait_ready().await.unwrap();
    holds(&cluster, full, total).await;
    cluster.node(two).kill().await;
    let context = jetstream(&cluster).await;
    publish(&context, "with the freed one").await;
}

/// Together more than a page that may be left on a full disk, and less than the disk.
const LARGE_MESSAGES: u64 = 100;

/// Not a test by itself: what the tests below start, and kill.
#[test]
fn a_program_with_a_disk() {
    let Ok(role) = std::env::var(ROLE) else {
        return;
    };
    if role == "private" {
        private_mounts().unwrap();
    }
    let state = StateDir::temporary().unwrap();
    let disk = Disk::tmpfs(state.folder("disk").unwrap(), MIB).unwrap();
    std::fs::write(disk.path().join("file"), "kept").unwrap();
    let mut output = std::io::stdout();
    writeln!(output, "\nmounted {}", disk.path().display()).unwrap();
    output.flush().unwrap();
    std::io::stdin().read_line(&mut String::new()).unwrap();
}

/// The program above, once its disk is mounted.
fn program(role: &str) -> (Child, PathBuf) {
    let mut program = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "servers::disk::a_program_with_a_disk", "--nocapture"])
        .env(ROLE, role)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(program.stdout.take().unwrap()).lines().map_while(Result::ok);
    let path = lines.filter_map(|line| Some(PathBuf::from(line.strip_prefix("mounted ")?))).next().unwrap();
    (program, path)
}

#[test]
fn a_killed_program_leaves_no_mount_behind() {
    if !allowed() {
        return;
    }
    for (role, seen_outside) in [("plain", true), ("private", false)] {
        let (mut program, path) = program(role);
        assert_eq!(mounted("self", &path), seen_outside, "{role}");
        assert!(mounted(&program.id().to_string(), &path), "{role}");
        program.kill().unwrap();
        program.wait().unwrap();
        let state = path.parent().unwrap();
        proc::eventually("the folder is gone", || !state.exists() && !mounted("self", &path));
    }
}
