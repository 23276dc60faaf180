//! Interfaces; nothing of them is left at run time.

use std::fmt::Write as _;

use super::{ContextModel, MARK, words};
use crate::model::{EventModel, Field, Kind, Shape, TypeDef, pascal};

/// The module that names the contexts' modules.
pub(crate) fn index(contexts: &[ContextModel]) -> String {
    let exports = contexts.iter().map(|c| format!("export type * as {0} from \"./{0}.js\";\n", c.context));
    format!("// {MARK}\n\n{}", exports.collect::<String>())
}

/// The module of one context.
pub(crate) fn context(model: &ContextModel) -> String {
    let mut text = format!("// {MARK}\n// Events of the context {}.\n", model.context);
    for event in &model.events {
        for of_event in &event.types {
            text.push('\n');
            text.push_str(&type_def(of_event, event));
        }
    }
    text.push_str("\n/** Payload types by subject. */\n");
    let _ = writeln!(text, "export interface {}Events {{", pascal(&model.context));
    for event in &model.events {
        let _ = writeln!(text, "  \"{}\": {};", event.name.subject(), event.type_name);
    }
    text.push_str("}\n");
    text
}

fn type_def(of: &TypeDef, event: &EventModel) -> String {
    let mut lines: Vec<String> = of.description.lines().map(|line| line.trim().to_owned()).collect();
    if of.name == event.type_name {
        lines.extend([String::new(), format!("Contract {}.", event.name)]);
    }
    let mut text = String::new();
    doc(&mut text, "", &lines);
    match &of.kind {
        Kind::Fields(fields) => {
            let _ = writeln!(text, "export interface {} {{", of.name);
            fields.iter().for_each(|of_type| field(&mut text, of_type));
            text.push_str("}\n");
        }
        Kind::Choice(values) => {
            let values: Vec<String> = values.iter().map(|value| format!("\"{value}\"")).collect();
            let _ = writeln!(text, "export type {} = {};", of.name, values.join(" | "));
        }
    }
    text
}

fn field(text: &mut String, field: &Field) {
    let mut lines = words::of_field(field);
    if let Some(form) = form(&field.shape) {
        lines.extend([String::new(), form.to_owned()]);
    }
    doc(text, "  ", &lines);
    let mark = if field.required { "" } else { "?" };
    let null = if field.nullable { " | null" } else { "" };
    let _ = writeln!(text, "  {}{mark}: {}{null};", field.name, type_of(&field.shape));
}

/// What a text is, where the type does not tell.
fn form(shape: &Shape) -> Option<&'static str> {
    match shape {
        Shape::Uuid => Some("A UUID."),
        Shape::DateTime => Some("RFC 3339."),
        Shape::Text { .. }
        | Shape::Integer { .. }
        | Shape::Boolean
        | Shape::List { .. }
        | Shape::Named(_) => None,
    }
}

fn type_of(shape: &Shape) -> String {
    match shape {
        Shape::Text { .. } | Shape::Uuid | Shape::DateTime => "string".to_owned(),
        Shape::Integer { .. } => "number".to_owned(),
        Shape::Boolean => "boolean".to_owned(),
        Shape::List { item, .. } => format!("{}[]", type_of(item)),
        Shape::Named(name) => name.clone(),
    }
}

fn doc(text: &mut String, indent: &str, lines: &[String]) {
    let lines: Vec<String> = lines.iter().map(|line| line.replace("*/", "*\\/")).collect();
    match lines.as_slice() {
        [] => {}
        [line] => {
            let _ = writeln!(text, "{indent}/** {line} */");
        }
        lines => {
            let _ = writeln!(text, "{indent}/**");
            for line in lines {
                let _ = writeln!(text, "{}", format!("{indent} * {line}").trim_end());
            }
            let _ = writeln!(text, "{indent} */");
        }
    }
}
