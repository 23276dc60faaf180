use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::Api;

/// The document lists the operations that there are, and the router knows each of them.
#[tokio::test]
async fn the_document_describes_the_routes() {
    let api = Api::start().await;
    let document = api.get("/openapi.json").await.body;
    let described: BTreeSet<(String, String)> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, methods)| {
            methods.as_object().unwrap().keys().map(move |method| (method.clone(), path.clone()))
        })
        .collect();
    let known = sea_api::OPERATIONS.iter().map(|(method, path)| ((*method).to_owned(), (*path).to_owned()));
    assert_eq!(described, known.collect());
    for (method, path) in sea_api::OPERATIONS {
        let real = path.replace(['{', '}'], "");
        let answer = api.send(&method.to_uppercase(), &real, &[], String::new()).await;
        assert!(!["not_found", "method_not_allowed"].contains(&answer.code()), "{method} {path}: {answer:?}");
    }
}

#[tokio::test]
async fn every_reference_of_the_document_leads_somewhere() {
    let document: Value = serde_json::from_str(sea_api::OPENAPI).unwrap();
    let mut references = Vec::new();
    gather(&document, &mut references);
    assert!(!references.is_empty());
    for reference in references {
        assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
    }
}

fn gather(value: &Value, references: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            references.extend(object.get("$ref").and_then(Value::as_str).map(str::to_owned));
            object.values().for_each(|inner| gather(inner, references));
        }
        Value::Array(items) => items.iter().for_each(|inner| gather(inner, references)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
