//! What is generated, word for word, and what is refused.

use std::fs;
use std::path::Path;

use sea_mq_contracts::{ContractsError, drift, generate, read_folder};
use serde_json::{Value, json};

use crate::{ORDER, folder, order};

#[test]
fn every_shape_in_every_language() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let files = generate(&read_folder(&golden).unwrap().contracts).unwrap();
    assert_eq!(files.len(), 8);
    for file in &files {
        let expected = fs::read_to_string(golden.join(&file.path)).unwrap_or_default();
        assert_eq!(
            file.content,
            expected,
            "{}; see `sea-mq contracts generate --dir {}`",
            file.path,
            golden.display()
        );
    }
    assert_eq!(drift(&golden, &files).unwrap(), []);
}

#[test]
fn the_files_of_this_repository_are_as_its_contracts_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../contracts");
    let files = generate(&read_folder(&folder).unwrap().contracts).unwrap();
    assert_eq!(drift(&folder, &files).unwrap(), [], "run `sea-mq contracts generate`");
}

#[test]
fn no_contract_no_types() {
    assert_eq!(generate(&[]).unwrap().len(), 5);
}

fn refusals(properties: Value) -> String {
    let folder = folder(&[(ORDER, order(properties))]);
    match generate(&read_folder(folder.path()).unwrap().contracts) {
        Err(error @ ContractsError::Broken(_)) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_outside_of_the_subset_is_refused_with_its_place() {
    let said = "Said.";
    for (properties, place, reason) in [
        (json!({ "a": { "type": "string" } }), "/properties/a", "there is no description"),
        (
            json!({ "a": { "type": "number", "description": said } }),
            "/properties/a/type",
            "\"number\" is not among",
        ),
        (json!({ "a": { "description": said } }), "/properties/a", "as one type"),
        (
            json!({ "a": { "type": ["string", "integer"], "description": said } }),
            "/properties/a",
            "as one type",
        ),
        (
            json!({ "a": { "type": "string", "format": "email", "description": said } }),
            "/properties/a/format",
            "use \"uuid\"",
        ),
        (
            json!({ "a": { "type": "string", "oneOf": [], "description": said } }),
            "/properties/a/oneOf",
            "not understood here",
        ),
        (
            json!({ "a": { "type": "integer", "minimum": 0.5, "description": said } }),
            "/properties/a/minimum",
            "whole number",
        ),
        (json!({ "a": { "type": "array", "description": said } }), "/properties/a/items", "what is in it"),
        (
            json!({ "a": { "type": "array", "description": said, "items": { "type": "string", "format": "date-time" } } }),
            "/properties/a/items",
            "put it into an object",
        ),
        (
            json!({ "a": { "type": "string", "enum": ["A b"], "description": said } }),
            "/properties/a/enum",
            "lower snake case",
        ),
        (
            json!({ "a": { "type": "string", "enum": ["a_b", "a__b"], "description": said } }),
            "/properties/a/enum",
            "different",
        ),
        (json!({ "aB": { "type": "string", "description": said } }), "/properties/aB", "lower snake case"),
        (
            json!({ "class": { "type": "string", "description": said } }),
            "/properties/class",
            "use another name",
        ),
        (json!({ "a": true }), "/properties/a", "a schema of its own"),
        (
            json!({ "a": { "type": "object", "description": said, "additionalProperties": false } }),
            "/properties/a/additionalProperties",
            "must be true",
        ),
        (
            json!({ "a": { "type": "object", "description": said, "required": ["b"] } }),
            "/properties/a/required",
            "`b` is required",
        ),
    ] {
        let error = refusals(properties);
        assert!(error.contains(&format!("order_placed.v1.json at {place}: ")), "{place} in {error}");
        assert!(error.contains(reason) && error.contains("types cannot be generated"), "{reason} in {error}");
    }
}

#[test]
fn two_types_of_one_name_are_refused() {
    let nested = json!({ "type": "object", "description": "Said." });
    let error = refusals(json!({ "a_b": nested, "a__b": nested }));
    assert!(error.contains("two types would be called OrderPlacedV1AB"), "{error}");
}
