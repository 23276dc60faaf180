use std::fs;
use std::path::Path;

use serde_json::json;
use tempfile::TempDir;

use crate::program::{Run, sea_mq};

/// Runs with the folder that stands first.
fn contracts(folder: &Path, args: &[&str]) -> Run {
    let mut all = vec!["contracts"];
    all.extend(args);
    all.extend(["--dir", folder.to_str().unwrap()]);
    sea_mq(&all)
}

fn folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("shop")).unwrap();
    write(folder.path(), "The buyer.");
    folder
}

fn write(folder: &Path, description: &str) {
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:sea-mq:contract:shop:order_placed:v1",
        "type": "object",
        "description": "An order was placed.",
        "properties": { "buyer": { "type": "string", "description": description } },
    });
    fs::write(folder.join("shop/order_placed.v1.json"), schema.to_string()).unwrap();
}

#[test]
fn the_contracts_of_this_repository_are_good_released_and_generated() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contracts");
    let text = contracts(&folder, &["check"]).done();
    assert!(text.contains("contracts are good") && !text.contains("nothing was generated"), "{text}");
    contracts(&folder, &["generate", "--check"]).done();
}

#[test]
fn a_released_version_that_changes_fails_the_check() {
    let folder = folder();
    let said = contracts(folder.path(), &["release", "--dry-run"]).done();
    assert!(said.contains("would be released:\nshop/order_placed.v1"), "{said}");
    assert!(!folder.path().join("released.json").exists(), "a dry run changes nothing");
    write(folder.path(), "Who buys.");
    let report = contracts(folder.path(), &["check", "--json"]).json();
    assert_eq!((&report["unreleased"], &report["findings"]), (&json!(["shop/order_placed.v1"]), &json!([])));
    contracts(folder.path(), &["release"]).done();
    assert!(contracts(folder.path(), &["release"]).done().contains("released already"));
    contracts(folder.path(), &["check"]).done();

    write(folder.path(), "Whoever buys.");
    let run = contracts(folder.path(), &["check"]);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.out.contains("shop/order_placed.v1.json: was released and has changed"), "{run:?}");
    contracts(folder.path(), &["release"]).refused(1, "nothing was released");
}

#[test]
fn what_is_no_schema_fails_the_check_and_is_named() {
    let folder = folder();
    fs::write(folder.path().join("shop/order_paid.v1.json"), "{").unwrap();
    fs::write(folder.path().join("shop/OrderPaid.json"), "{}").unwrap();
    let run = contracts(folder.path(), &["check"]);
    assert_eq!((run.code, run.out.lines().count()), (1, 2), "{run:?}");
    assert!(run.out.contains("order_paid.v1.json at line 1 column 1: is not JSON"), "{run:?}");
    assert!(run.out.contains("OrderPaid.json: is not named like a contract"), "{run:?}");
    contracts(folder.path(), &["generate"]).refused(1, "OrderPaid.json");
    contracts(&folder.path().join("absent"), &["check"]).refused(1, "cannot read");
}

#[test]
fn generated_files_that_drift_fail_both_checks_until_they_are_written() {
    let folder = folder();
    let run = contracts(folder.path(), &["generate", "--check"]);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(!folder.path().join("generated").exists(), "a check changes nothing");
    contracts(folder.path(), &["generate"]).done();
    contracts(folder.path(), &["generate", "--check"]).done();
    write(folder.path(), "Who buys.");
    for args in [&["generate", "--check"][..], &["check"]] {
        let run = contracts(folder.path(), args);
        assert!(run.code == 1 && run.out.contains("generated/rust/shop.rs"), "{run:?}");
    }
    let changes = contracts(folder.path(), &["generate", "--json"]).json();
    assert!(
        changes["changes"]
            .as_array()
            .unwrap()
            .contains(&json!({ "file": "generated/rust/shop.rs", "was": "differs" }))
    );
    contracts(folder.path(), &["check"]).done();
}
