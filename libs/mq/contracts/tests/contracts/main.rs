//! Contracts from files: what is checked, what is refused, what is generated.
#![allow(clippy::unwrap_used)]

mod bad_input;
mod checking;
mod generating;
mod refusing;
mod releasing;

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

/// A folder with these files, for as long as it lives.
fn folder(files: &[(&str, Value)]) -> TempDir {
    let folder = TempDir::new().unwrap();
    for (path, content) in files {
        put(folder.path(), path, &content.to_string());
    }
    folder
}

fn put(folder: &Path, path: &str, text: &str) {
    let path = folder.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// The schema of `shop/order_placed.v1`, with these properties, all of them required.
fn order(properties: Value) -> Value {
    let required: Vec<String> = properties.as_object().unwrap().keys().cloned().collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:sea-mq:contract:shop:order_placed:v1",
        "type": "object",
        "description": "An order was placed.",
        "required": required,
        "properties": properties,
        "additionalProperties": true,
    })
}

const ORDER: &str = "shop/order_placed.v1.json";
