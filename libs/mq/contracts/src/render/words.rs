//! Bounds in words, for languages whose types do not state them.

use std::fmt::Display;

use crate::model::{Field, Range, Shape};

/// The field's description, and what its type leaves unsaid.
pub(super) fn of_field(field: &Field) -> Vec<String> {
    let mut lines: Vec<String> = field.description.lines().map(|line| line.trim().to_owned()).collect();
    if let Some(bounds) = of_shape(&field.shape) {
        lines.push(String::new());
        lines.push(format!("{bounds}."));
    }
    lines
}

fn of_shape(shape: &Shape) -> Option<String> {
    match shape {
        Shape::Text { length, pattern } => {
            let length = of_range(length).map(|range| format!("{range} characters"));
            let pattern = pattern.as_ref().map(|pattern| format!("matches `{pattern}`"));
            capital([length, pattern].into_iter().flatten().collect::<Vec<_>>().join("; "))
        }
        Shape::Integer { value } => of_range(value).and_then(capital),
        Shape::List { count, .. } => of_range(count).and_then(|range| capital(format!("{range} items"))),
        Shape::Uuid | Shape::DateTime | Shape::Boolean | Shape::Named(_) => None,
    }
}

fn of_range<T: Display>(range: &Range<T>) -> Option<String> {
    match (&range.min, &range.max) {
        (Some(min), Some(max)) => Some(format!("{min} to {max}")),
        (Some(min), None) => Some(format!("at least {min}")),
        (None, Some(max)) => Some(format!("at most {max}")),
        (None, None) => None,
    }
}

fn capital(text: String) -> Option<String> {
    let first = text.chars().next()?;
    Some(format!("{}{}", first.to_uppercase(), &text[first.len_utf8()..]))
}
