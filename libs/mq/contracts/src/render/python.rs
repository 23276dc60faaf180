//! Models for pydantic 2; fields that they do not know are passed over.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::{ContextModel, MARK};
use crate::model::{EventModel, Field, Kind, Range, Shape, TypeDef};

/// Longest line that is left in one piece.
const WIDTH: usize = 100;

/// The package's own module.
pub(crate) fn index(contexts: &[ContextModel]) -> String {
    let names: Vec<&str> = contexts.iter().map(|c| c.context.as_str()).collect();
    if names.is_empty() {
        return format!("# {MARK}\n");
    }
    let quoted: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
    format!(
        "# {MARK}\n\"\"\"Payloads of events, one module for each context that publishes them.\"\"\"\n\nfrom . import {}\n\n__all__ = [{}]\n",
        names.join(", "),
        quoted.join(", ")
    )
}

/// The module of one context.
pub(crate) fn context(model: &ContextModel) -> String {
    let mut body = String::new();
    for event in &model.events {
        for of_event in &event.types {
            body.push_str("\n\n");
            body.push_str(&type_def(of_event, event));
        }
    }
    body.push_str("\n\nEVENTS: dict[str, type[BaseModel]] = {\n");
    for event in &model.events {
        let _ = writeln!(body, "    {name}.SUBJECT: {name},", name = event.type_name);
    }
    body.push_str("}\n\"\"\"Payload types by subject.\"\"\"\n");
    let context = &model.context;
    format!(
        "# {MARK}\n# ruff: noqa: E501\n\"\"\"Events of the context {context}.\n\nTo publish one: `model_dump(mode=\"json\", exclude_unset=True)`.\n\"\"\"\n\nfrom __future__ import annotations\n\n{}{body}",
        imports(&body)
    )
}

/// Only what the module uses.
fn imports(body: &str) -> String {
    let words: BTreeSet<&str> = body.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').collect();
    let used = |names: &[&str]| -> Vec<String> {
        names.iter().filter(|name| words.contains(**name)).map(|name| (*name).to_owned()).collect()
    };
    let mut text = String::new();
    let typing = used(&["Annotated", "ClassVar", "Literal", "TypeAlias"]);
    if !typing.is_empty() {
        let _ = writeln!(text, "from typing import {}", typing.join(", "));
    }
    if words.contains("UUID") {
        text.push_str("from uuid import UUID\n");
    }
    let pydantic = used(&["AwareDatetime", "BaseModel", "ConfigDict", "Field"]);
    let _ = writeln!(text, "\nfrom pydantic import {}", pydantic.join(", "));
    text
}

fn type_def(of: &TypeDef, event: &EventModel) -> String {
    match &of.kind {
        Kind::Fields(fields) => class(of, fields, event),
        Kind::Choice(values) => {
            let values: Vec<String> = values.iter().map(|value| format!("\"{value}\"")).collect();
            let mut text = format!("{}: TypeAlias = Literal[{}]\n", of.name, values.join(", "));
            if !of.description.is_empty() {
                let _ = writeln!(text, "\"\"\"{}\"\"\"", in_docstring(&of.description));
            }
            text
        }
    }
}

fn class(of: &TypeDef, fields: &[Field], event: &EventModel) -> String {
    let is_event = of.name == event.type_name;
    let mut text = format!("class {}(BaseModel):\n", of.name);
    let said = if of.description.is_empty() { of.name.clone() } else { in_docstring(&of.description) };
    let said = said.lines().map(str::trim).collect::<Vec<_>>().join("\n    ");
    if is_event {
        let _ = write!(text, "    \"\"\"{said}\n\n    Contract {}.\n    \"\"\"\n\n", event.name);
    } else {
        let _ = write!(text, "    \"\"\"{said}\"\"\"\n\n");
    }
    text.push_str("    model_config = ConfigDict(extra=\"ignore\", frozen=True)\n\n");
    if is_event {
        let _ = write!(text, "    SUBJECT: ClassVar[str] = \"{}\"\n\n", event.name.subject());
    }
    for of_class in fields {
        text.push_str(&field(of_class));
    }
    text
}

fn field(field: &Field) -> String {
    let shape = type_of(&field.shape);
    let shape = if field.nullable || !field.required { format!("{shape} | None") } else { shape };
    let mut arguments = Vec::new();
    if !field.required {
        arguments.push("default=None".to_owned());
    }
    arguments.extend(bounds(&field.shape));
    arguments.push(format!("description={}", literal(&field.description)));
    let line = format!("    {}: {shape} = Field({})\n", field.name, arguments.join(", "));
    if line.chars().count() <= WIDTH {
        return line;
    }
    let arguments: String = arguments.iter().map(|argument| format!("        {argument},\n")).collect();
    format!("    {}: {shape} = Field(\n{arguments}    )\n", field.name)
}

fn type_of(shape: &Shape) -> String {
    match shape {
        Shape::Text { .. } => "str".to_owned(),
        Shape::Uuid => "UUID".to_owned(),
        Shape::DateTime => "AwareDatetime".to_owned(),
        Shape::Integer { .. } => "int".to_owned(),
        Shape::Boolean => "bool".to_owned(),
        Shape::List { item, .. } => {
            let (of, bounds) = (type_of(item), bounds(item));
            if bounds.is_empty() {
                format!("list[{of}]")
            } else {
                format!("list[Annotated[{of}, Field({})]]", bounds.join(", "))
            }
        }
        Shape::Named(name) => name.clone(),
    }
}

fn bounds(shape: &Shape) -> Vec<String> {
    match shape {
        Shape::Text { length, pattern } => {
            let mut arguments = ends(length, "min_length", "max_length");
            arguments.extend(pattern.iter().map(|pattern| format!("pattern={}", literal(pattern))));
            arguments
        }
        Shape::Integer { value } => ends(value, "ge", "le"),
        Shape::List { count, .. } => ends(count, "min_length", "max_length"),
        Shape::Uuid | Shape::DateTime | Shape::Boolean | Shape::Named(_) => Vec::new(),
    }
}

fn ends<T: std::fmt::Display>(range: &Range<T>, min: &str, max: &str) -> Vec<String> {
    let min = range.min.iter().map(|end| format!("{min}={end}"));
    min.chain(range.max.iter().map(|end| format!("{max}={end}"))).collect()
}

/// A text of JSON is one of Python: both write controls, quotes and backslashes alike.
fn literal(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn in_docstring(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}
