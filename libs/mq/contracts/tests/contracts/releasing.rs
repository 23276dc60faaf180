use sea_mq_contracts::{Released, Report, check, generate, read_folder, write_generated};
use serde_json::json;
use tempfile::TempDir;

use crate::{ORDER, folder, order, put};

fn released() -> TempDir {
    let folder = folder(&[(ORDER, order(json!({ "buyer": { "type": "string", "description": "Who." } })))]);
    let mut released = Released::default();
    released.add(&read_folder(folder.path()).unwrap().contracts);
    released.write(folder.path()).unwrap();
    folder
}

fn findings(report: &Report) -> Vec<String> {
    report.findings.iter().map(ToString::to_string).collect()
}

#[test]
fn a_released_version_may_not_change_and_blanks_are_no_change() {
    let folder = released();
    let same = order(json!({ "buyer": { "description": "Who.", "type": "string" } }));
    put(folder.path(), ORDER, &format!("{same:#}"));
    assert!(findings(&check(folder.path()).unwrap()).is_empty());
    let changed = order(json!({ "buyer": { "description": "Whom.", "type": "string" } }));
    put(folder.path(), ORDER, &changed.to_string());
    let report = check(folder.path()).unwrap();
    let [finding] = findings(&report)[..].to_vec().try_into().unwrap();
    assert!(finding.contains("shop/order_placed.v1.json: was released and has changed"), "{finding}");
    // Adding does not overwrite what was released.
    let mut again = report.released.clone();
    again.add(&report.folder.contracts);
    assert_eq!(again, report.released);
}

#[test]
fn a_released_version_may_not_go_and_a_new_one_may_come() {
    let folder = released();
    std::fs::rename(folder.path().join(ORDER), folder.path().join("shop/order_placed.v2.json")).unwrap();
    let mut second = order(json!({}));
    second["$id"] = json!("urn:sea-mq:contract:shop:order_placed:v2");
    put(folder.path(), "shop/order_placed.v2.json", &second.to_string());
    let report = check(folder.path()).unwrap();
    assert_eq!(report.unreleased, ["shop/order_placed.v2"]);
    let [finding] = findings(&report)[..].to_vec().try_into().unwrap();
    assert!(finding.contains("order_placed.v1.json: was released (released.json) and is gone"), "{finding}");
}

#[test]
fn a_released_file_that_cannot_be_read_is_a_finding() {
    let folder = released();
    for text in ["[]", "{", r#"{ "shop/order_placed.v1": 7 }"#] {
        put(folder.path(), "released.json", text);
        let found = findings(&check(folder.path()).unwrap());
        assert!(found.len() == 1 && found[0].contains("released.json"), "{found:?}");
    }
}

#[test]
fn generated_files_that_drift_are_findings() {
    let folder = released();
    let files = generate(&read_folder(folder.path()).unwrap().contracts).unwrap();
    assert_eq!(write_generated(folder.path(), &files).unwrap().len(), files.len());
    assert!(write_generated(folder.path(), &files).unwrap().is_empty(), "written once");
    assert!(findings(&check(folder.path()).unwrap()).is_empty());
    let changed = files[0].content.clone() + "\n";
    put(folder.path(), &files[0].path, &changed);
    put(folder.path(), "generated/rust/gone.rs", &changed);
    put(folder.path(), "generated/README.md", "by hand");
    std::fs::remove_file(folder.path().join("generated/asyncapi.json")).unwrap();
    let found = findings(&check(folder.path()).unwrap());
    assert_eq!(found.len(), 3, "{found:?}");
    assert_eq!(write_generated(folder.path(), &files).unwrap().len(), 3);
    assert!(findings(&check(folder.path()).unwrap()).is_empty());
    assert!(!folder.path().join("generated/rust/gone.rs").exists());
    assert!(folder.path().join("generated/README.md").exists());
}
