use std::collections::HashMap;
use std::sync::Arc;

use cel::Value;
use cel::objects::{Key, Map};
use sea_ports::Facts;
use serde_json::{Number, Value as Json};

/// The facts as the engine takes them.
pub(super) fn value_of(facts: &Facts) -> Value {
    object(facts.object())
}

fn object(object: &serde_json::Map<String, Json>) -> Value {
    let entries: HashMap<Key, Value> =
        object.iter().map(|(key, value)| (Key::String(Arc::new(key.clone())), of(value))).collect();
    Value::Map(Map { map: Arc::new(entries) })
}

fn of(json: &Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(truth) => Value::Bool(*truth),
        Json::Number(number) => of_number(number),
        Json::String(text) => Value::String(Arc::new(text.clone())),
        Json::Array(items) => Value::List(Arc::new(items.iter().map(of).collect())),
        Json::Object(fields) => object(fields),
    }
}

/// A whole number is an `int`, as the literals of the language are: `uint`, which knows no sum
/// with an `int`, is left for what does not fit.
fn of_number(number: &Number) -> Value {
    match (number.as_i64(), number.as_u64()) {
        (Some(whole), _) => Value::Int(whole),
        (None, Some(large)) => Value::UInt(large),
        (None, None) => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
    }
}
