//! Schema → model, or every reason why not.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::reserved::is_reserved;
use super::{EventModel, Field, Kind, Range, Shape, TypeDef, pascal};
use crate::contract::Contract;
use crate::error::Problem;

/// Keywords that say nothing about the type.
const ANNOTATIONS: &[&str] = &["$comment", "description", "examples", "type"];

/// The model of a contract.
///
/// # Errors
/// Each place that is outside of what is understood.
pub(crate) fn read(contract: &Contract) -> Result<EventModel, Vec<Problem>> {
    let type_name = format!("{}V{}", pascal(contract.name.event()), contract.name.version());
    let mut reading = Reading { contract, types: Vec::new(), problems: Vec::new() };
    reading.root(&type_name);
    reading.names_are_unique();
    if reading.problems.is_empty() {
        Ok(EventModel { name: contract.name.clone(), type_name, types: reading.types })
    } else {
        Err(reading.problems)
    }
}

struct Reading<'a> {
    contract: &'a Contract,
    types: Vec<TypeDef>,
    problems: Vec<Problem>,
}

impl Reading<'_> {
    fn refuse(&mut self, pointer: &str, reason: impl AsRef<str>) {
        let place = if pointer.is_empty() { "the top" } else { pointer };
        let reason = format!("types cannot be generated: {}", reason.as_ref());
        self.problems.push(Problem::at(&self.contract.file, place, reason));
    }

    fn root(&mut self, type_name: &str) {
        let Value::Object(schema) = &self.contract.schema else {
            return self.refuse("", "the schema is not an object");
        };
        if self.kind(schema, "") != Some(("object", false)) {
            return self.refuse("/type", "the payload is \"object\", and nothing else");
        }
        self.object(schema, "", type_name);
    }

    /// The one type, and whether `null` may be there instead.
    fn kind<'s>(&mut self, schema: &'s Map<String, Value>, pointer: &str) -> Option<(&'s str, bool)> {
        let named: Option<Vec<&str>> = match schema.get("type") {
            Some(Value::String(kind)) => Some(vec![kind]),
            Some(Value::Array(kinds)) => kinds.iter().map(Value::as_str).collect(),
            Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) | None => None,
        };
        let kinds = named.unwrap_or_default();
        let (nulls, others): (Vec<&str>, Vec<&str>) = kinds.into_iter().partition(|kind| *kind == "null");
        let [kind] = others.as_slice() else {
            self.refuse(pointer, "say \"type\" as one type, or as one type and \"null\"");
            return None;
        };
        Some((kind, !nulls.is_empty()))
    }

    fn object(&mut self, schema: &Map<String, Value>, pointer: &str, type_name: &str) {
        let mut allowed = vec!["properties", "required", "additionalProperties"];
        if pointer.is_empty() {
            allowed.extend(["$schema", "$id", "title"]);
        }
        self.only(schema, pointer, &allowed);
        if schema.get("additionalProperties").is_some_and(|more| *more != Value::Bool(true)) {
            let reason =
                "additionalProperties must be true: a reader passes over the fields that it does not know";
            self.refuse(&format!("{pointer}/additionalProperties"), reason);
        }
        let description = self.description(schema, pointer);
        let required: Vec<&str> = schema
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let none = Map::new();
        let properties = schema.get("properties").and_then(Value::as_object).unwrap_or(&none);
        for name in &required {
            if !properties.contains_key(*name) {
                self.refuse(
                    &format!("{pointer}/required"),
                    format!("`{name}` is required and not described"),
                );
            }
        }
        let fields = in_order(properties, &required);
        let fields = fields
            .into_iter()
            .filter_map(|(name, value)| {
                let pointer = format!("{pointer}/properties/{name}");
                self.field(name, value, required.contains(&name), &pointer, type_name)
            })
            .collect();
        self.types.push(TypeDef { name: type_name.to_owned(), description, kind: Kind::Fields(fields) });
    }

    fn field(
        &mut self,
        name: &str,
        schema: &Value,
        required: bool,
        pointer: &str,
        parent: &str,
    ) -> Option<Field> {
        if !is_snake(name) {
            self.refuse(pointer, "a field's name is lower snake case and begins with a letter");
        }
        if is_reserved(name) {
            self.refuse(
                pointer,
                format!("`{name}` means something else in Rust or Python: use another name"),
            );
        }
        let Value::Object(schema) = schema else {
            self.refuse(pointer, "a field has a schema of its own, not true or false");
            return None;
        };
        let description = self.description(schema, pointer);
        let (shape, nullable) = self.shape(schema, pointer, &format!("{parent}{}", pascal(name)))?;
        Some(Field { name: name.to_owned(), description, required, nullable, shape })
    }

    /// The shape, and whether `null` may be there instead. What needs a name is called `name`.
    fn shape(&mut self, schema: &Map<String, Value>, pointer: &str, name: &str) -> Option<(Shape, bool)> {
        let (kind, nullable) = self.kind(schema, pointer)?;
        let shape = match kind {
            "object" => {
                self.object(schema, pointer, name);
                Shape::Named(name.to_owned())
            }
            "array" => self.list(schema, pointer, name)?,
            "string" if schema.contains_key("enum") => self.choice(schema, pointer, name),
            "string" => self.text(schema, pointer)?,
            "integer" => {
                self.only(schema, pointer, &["minimum", "maximum"]);
                let mut end = |key: &str| self.number(schema, pointer, key, Value::as_i64);
                Shape::Integer { value: Range { min: end("minimum"), max: end("maximum") } }
            }
            "boolean" => {
                self.only(schema, pointer, &[]);
                Shape::Boolean
            }
            other => {
                let reason = format!("\"{other}\" is not among object, array, string, integer and boolean");
                self.refuse(&format!("{pointer}/type"), reason);
                return None;
            }
        };
        Some((shape, nullable))
    }

    fn text(&mut self, schema: &Map<String, Value>, pointer: &str) -> Option<Shape> {
        match schema.get("format").map(Value::as_str) {
            None => {}
            Some(Some("uuid")) => {
                self.only(schema, pointer, &["format"]);
                return Some(Shape::Uuid);
            }
            Some(Some("date-time")) => {
                self.only(schema, pointer, &["format"]);
                return Some(Shape::DateTime);
            }
            Some(_) => {
                self.refuse(&format!("{pointer}/format"), "use \"uuid\" or \"date-time\", or a pattern");
                return None;
            }
        }
        self.only(schema, pointer, &["minLength", "maxLength", "pattern"]);
        let mut end = |key: &str| self.number(schema, pointer, key, Value::as_u64);
        let length = Range { min: end("minLength"), max: end("maxLength") };
        let pattern = schema.get("pattern").and_then(Value::as_str).map(str::to_owned);
        Some(Shape::Text { length, pattern })
    }

    fn list(&mut self, schema: &Map<String, Value>, pointer: &str, name: &str) -> Option<Shape> {
        self.only(schema, pointer, &["items", "minItems", "maxItems"]);
        let mut end = |key: &str| self.number(schema, pointer, key, Value::as_u64);
        let count = Range { min: end("minItems"), max: end("maxItems") };
        let pointer = format!("{pointer}/items");
        let Some(Value::Object(items)) = schema.get("items") else {
            self.refuse(&pointer, "a list says in \"items\" what is in it");
            return None;
        };
        let (item, nullable) = self.shape(items, &pointer, &format!("{name}Item"))?;
        if nullable || item == Shape::DateTime {
            self.refuse(
                &pointer,
                "a list of null or of date-time; put it into an object with a field for it",
            );
            return None;
        }
        Some(Shape::List { item: Box::new(item), count })
    }

    fn choice(&mut self, schema: &Map<String, Value>, pointer: &str, name: &str) -> Shape {
        self.only(schema, pointer, &["enum"]);
        let listed = schema.get("enum").and_then(Value::as_array);
        let values = listed.into_iter().flatten().filter(|value| !value.is_null());
        let values: Vec<String> = values.map(|value| value.as_str().unwrap_or_default().to_owned()).collect();
        let variants: BTreeSet<String> = values.iter().map(|value| pascal(value)).collect();
        if values.is_empty() || variants.len() < values.len() || !values.iter().all(|value| is_snake(value)) {
            let reason = "a choice is between different texts in lower snake case";
            self.refuse(&format!("{pointer}/enum"), reason);
        }
        let description = self.description(schema, pointer);
        self.types.push(TypeDef { name: name.to_owned(), description, kind: Kind::Choice(values) });
        Shape::Named(name.to_owned())
    }

    /// The items of a list need no description: the list has one.
    fn description(&mut self, schema: &Map<String, Value>, pointer: &str) -> String {
        let said = schema.get("description").and_then(Value::as_str).map_or("", str::trim);
        if said.is_empty() && !pointer.ends_with("/items") {
            self.refuse(pointer, "there is no description: whoever reads the event needs it");
        }
        said.to_owned()
    }

    fn number<T>(
        &mut self,
        schema: &Map<String, Value>,
        pointer: &str,
        key: &str,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Option<T> {
        let said = schema.get(key)?;
        let number = read(said);
        if number.is_none() {
            self.refuse(&format!("{pointer}/{key}"), "use a whole number that fits into 64 bits");
        }
        number
    }

    fn only(&mut self, schema: &Map<String, Value>, pointer: &str, allowed: &[&str]) {
        let mut others: Vec<&String> = schema
            .keys()
            .filter(|key| !allowed.contains(&key.as_str()) && !ANNOTATIONS.contains(&key.as_str()))
            .collect();
        others.sort();
        for key in others {
            let with = if allowed.is_empty() { "nothing".to_owned() } else { allowed.join(", ") };
            let reason =
                format!("`{key}` is not understood here; beside type and description there may be {with}");
            self.refuse(&format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1")), reason);
        }
    }

    fn names_are_unique(&mut self) {
        let mut seen = BTreeSet::new();
        let twice: Vec<String> =
            self.types.iter().map(|t| &t.name).filter(|name| !seen.insert(*name)).cloned().collect();
        for name in twice {
            self.refuse("", format!("two types would be called {name}: rename a field"));
        }
    }
}

/// Required ones in the order of `required`, which every map keeps; then the others by name.
fn in_order<'s>(properties: &'s Map<String, Value>, required: &[&'s str]) -> Vec<(&'s str, &'s Value)> {
    let mut fields: Vec<_> = properties.iter().map(|(name, schema)| (name.as_str(), schema)).collect();
    fields.sort_by_key(|(name, _)| (required.iter().position(|r| r == name).unwrap_or(usize::MAX), *name));
    fields
}

fn is_snake(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_lowercase())
        && bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}
