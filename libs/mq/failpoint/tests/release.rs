//! Failpoints cost nothing where debug assertions are off.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::Command;

/// A constant function may await nothing and call nothing unknown: that it compiles shows that each
/// form expands to nothing.
const PROOF: &str = r#"
    #[used]
    pub static NAMES: &str = "a name that is there";
    pub const fn passes() -> u8 {
        sea_mq_failpoint::failpoint!("boundary.first");
        sea_mq_failpoint::failpoint!("boundary.second", there::is_no_such(function));
        sea_mq_failpoint::failpoint!("boundary.third" => there_is_no_such_function());
        1
    }
    const _: u8 = passes();
"#;

fn compile(folder: &Path, name: &str, source: &Path, assertions: &str) -> (bool, String, PathBuf) {
    let library = folder.join(format!("lib{name}.rlib"));
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let said = Command::new(rustc)
        .args(["--edition", "2024", "--crate-type", "rlib", "--crate-name", name, "-C", assertions])
        .arg("--out-dir")
        .arg(folder)
        .arg("-L")
        .arg(folder)
        .args(["--extern", "sea_mq_failpoint"].iter().filter(|_| name == "proof"))
        .arg(source)
        .output()
        .unwrap();
    (said.status.success(), String::from_utf8_lossy(&said.stderr).into_owned(), library)
}

fn prove(assertions: &str) -> (bool, String, Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("proof.rs");
    std::fs::write(&source, PROOF).unwrap();
    // Without debug assertions the library needs no other.
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs");
    let (made, said, _) = compile(folder.path(), "sea_mq_failpoint", &own, "debug-assertions=off");
    assert!(made, "{said}");
    let (made, said, library) = compile(folder.path(), "proof", &source, assertions);
    (made, said, std::fs::read(library).unwrap_or_default())
}

fn holds(code: &[u8], text: &str) -> bool {
    code.windows(text.len()).any(|part| part == text.as_bytes())
}

#[test]
fn a_failpoint_is_nothing_without_debug_assertions() {
    let (made, said, code) = prove("debug-assertions=off");
    assert!(made, "{said}");
    assert!(holds(&code, "a name that is there"), "what is compiled was looked at");
    assert!(!holds(&code, "boundary."), "the name of a failpoint was compiled");
}

#[test]
fn with_debug_assertions_it_is_something() {
    let (made, said, _) = prove("debug-assertions=on");
    assert!(!made && said.contains("await"), "{said}");
}

#[test]
fn release_builds_have_no_debug_assertions() {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../Cargo.toml");
    let manifest = std::fs::read_to_string(manifest).unwrap();
    let release = manifest.split("[profile.release").skip(1).map(|rest| rest.split("\n[").next().unwrap());
    assert!(release.into_iter().all(|section| !section.contains("debug-assertions")), "{manifest}");
}
