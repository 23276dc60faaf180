//! Structures for serde; fields that they do not know are passed over.

use std::fmt::Write as _;

use super::{ContextModel, MARK, words};
use crate::model::{EventModel, Field, Kind, Shape, TypeDef, pascal};

/// The module that names the contexts' modules.
pub(crate) fn index(contexts: &[ContextModel]) -> String {
    let modules: String = contexts.iter().map(|c| format!("pub mod {};\n", c.context)).collect();
    format!("// {MARK}\n\n{modules}")
}

/// The module of one context.
pub(crate) fn context(model: &ContextModel) -> String {
    let mut text = format!("// {MARK}\n\n//! Events of the context `{}`.\n\n", model.context);
    text.push_str("use serde::{Deserialize, Serialize};\n");
    for event in &model.events {
        for of_event in &event.types {
            text.push('\n');
            text.push_str(&type_def(of_event, event));
        }
        text.push('\n');
        text.push_str(&subject(event));
    }
    text
}

fn subject(event: &EventModel) -> String {
    let (name, subject) = (&event.type_name, event.name.subject());
    format!(
        "impl {name} {{\n    /// The subject that it is published on.\n    pub const SUBJECT: &'static str = \"{subject}\";\n}}\n"
    )
}

fn type_def(of: &TypeDef, event: &EventModel) -> String {
    let mut lines: Vec<String> = of.description.lines().map(|line| line.trim().to_owned()).collect();
    if of.name == event.type_name {
        lines.extend([String::new(), format!("Contract `{}`.", event.name)]);
    }
    let mut text = String::new();
    doc(&mut text, "", &lines, &of.name);
    match &of.kind {
        Kind::Fields(fields) => {
            text.push_str("#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]\n");
            let _ = writeln!(text, "pub struct {} {{", of.name);
            fields.iter().for_each(|of_type| field(&mut text, of_type));
        }
        Kind::Choice(values) => {
            text.push_str("#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]\n");
            let _ = writeln!(text, "pub enum {} {{", of.name);
            for value in values {
                let variant = pascal(value);
                let _ =
                    writeln!(text, "    /// `{value}`\n    #[serde(rename = \"{value}\")]\n    {variant},");
            }
        }
    }
    text.push_str("}\n");
    text
}

fn field(text: &mut String, field: &Field) {
    doc(text, "    ", &words::of_field(field), &field.name);
    let optional = field.nullable || !field.required;
    let mut attributes = Vec::new();
    if !field.required {
        attributes.push("default");
        attributes.push("skip_serializing_if = \"Option::is_none\"");
    }
    match (&field.shape, optional) {
        (Shape::DateTime, true) => attributes.push("with = \"time::serde::rfc3339::option\""),
        (Shape::DateTime, false) => attributes.push("with = \"time::serde::rfc3339\""),
        (
            Shape::Text { .. }
            | Shape::Uuid
            | Shape::Integer { .. }
            | Shape::Boolean
            | Shape::List { .. }
            | Shape::Named(_),
            _,
        ) => {}
    }
    if !attributes.is_empty() {
        let _ = writeln!(text, "    #[serde({})]", attributes.join(", "));
    }
    let shape = type_of(&field.shape);
    let shape = if optional { format!("Option<{shape}>") } else { shape };
    let _ = writeln!(text, "    pub {}: {shape},", field.name);
}

fn type_of(shape: &Shape) -> String {
    match shape {
        Shape::Text { .. } => "String".to_owned(),
        Shape::Uuid => "uuid::Uuid".to_owned(),
        Shape::DateTime => "time::OffsetDateTime".to_owned(),
        Shape::Integer { .. } => "i64".to_owned(),
        Shape::Boolean => "bool".to_owned(),
        Shape::List { item, .. } => format!("Vec<{}>", type_of(item)),
        Shape::Named(name) => name.clone(),
    }
}

/// An undescribed item of a list is documented by its name.
fn doc(text: &mut String, indent: &str, lines: &[String], name: &str) {
    if lines.is_empty() {
        let _ = writeln!(text, "{indent}/// `{name}`");
    }
    for line in lines {
        let _ = writeln!(text, "{}", format!("{indent}/// {line}").trim_end());
    }
}
