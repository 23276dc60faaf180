//! Files that are no contracts: each is named, with the place.

use sea_mq_contracts::Contracts;
use serde_json::json;

use crate::{ORDER, folder, order, put};

fn refused(path: &str, text: &str) -> String {
    let folder = folder(&[("shop/order_paid.v1.json", good_of("order_paid"))]);
    put(folder.path(), path, text);
    Contracts::load(folder.path()).unwrap_err().to_string()
}

fn good_of(event: &str) -> serde_json::Value {
    let mut schema = order(json!({}));
    schema["$id"] = json!(format!("urn:sea-mq:contract:shop:{event}:v1"));
    schema
}

#[test]
fn file_place_and_reason_are_said() {
    let mut untyped = order(json!({ "buyer": { "type": "text" } }));
    let not_a_schema = untyped.to_string();
    untyped["$id"] = json!("urn:sea-mq:contract:shop:order_placed:v2");
    let pattern = order(json!({ "buyer": { "type": "string", "pattern": "(" } }));
    let format = order(json!({ "buyer": { "type": "string", "format": "isbn" } }));
    let far = order(json!({ "buyer": { "$ref": "https://example.org/buyer.json" } }));
    let file = order(json!({ "buyer": { "$ref": "file:///etc/passwd" } }));
    for (path, text, said) in [
        (ORDER, "{\n  \"a\": }", "order_placed.v1.json at line 2 column 8: is not JSON"),
        (ORDER, "{}", "order_placed.v1.json: has no $schema"),
        (ORDER, &not_a_schema, "order_placed.v1.json at /properties/buyer/type: is not a JSON Schema"),
        (
            ORDER,
            &untyped.to_string(),
            "order_placed.v1.json at /$id: is \"urn:sea-mq:contract:shop:order_placed:v2\"",
        ),
        (ORDER, &pattern.to_string(), "order_placed.v1.json at /properties/buyer/pattern"),
        (ORDER, &format.to_string(), "order_placed.v1.json"),
        (ORDER, &far.to_string(), "order_placed.v1.json"),
        (ORDER, &file.to_string(), "order_placed.v1.json"),
        ("shop/OrderPlaced.json", "{}", "OrderPlaced.json: is not named like a contract"),
        ("order_placed.v1.json", "{}", "order_placed.v1.json: lies outside of its context's folder"),
    ] {
        let error = refused(path, text);
        assert!(error.starts_with("1 problem in the contracts:"), "{error}");
        assert!(error.contains(said), "{said} in {error}");
    }
}

#[test]
fn all_broken_files_are_listed_at_once() {
    let folder = folder(&[("shop/a.v1.json", json!({})), ("sea/b.v1.json", json!(7))]);
    let error = Contracts::load(folder.path()).unwrap_err().to_string();
    assert!(
        error.starts_with("2 problems") && error.contains("a.v1.json") && error.contains("b.v1.json"),
        "{error}"
    );
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let folder = folder(&[]);
    let error = Contracts::load(&folder.path().join("absent")).unwrap_err().to_string();
    assert!(error.contains("cannot read") && error.contains("absent"), "{error}");
    assert!(Contracts::load(folder.path()).unwrap().is_empty());
}

#[test]
fn what_is_no_contract_is_passed_over() {
    let folder = folder(&[(ORDER, order(json!({})))]);
    for path in [
        "README.md",
        "shop/README.md",
        ".hidden/x.json",
        "shop/.x.json",
        "generated/asyncapi.json",
        "released.json",
    ] {
        put(folder.path(), path, "no contract");
    }
    assert_eq!(Contracts::load(folder.path()).unwrap().len(), 1);
}
