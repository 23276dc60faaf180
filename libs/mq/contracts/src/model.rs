//! What types are generated from: a schema taken apart into named types. Pure.
//!
//! Only a part of JSON Schema is understood, so that every language says the same: objects (open for
//! more fields), texts, UUIDs, times, whole numbers, booleans, lists, named choices, and `null` beside
//! any of them. A schema outside of it may still be a contract; types cannot be generated from it.

mod reading;
mod reserved;

pub(crate) use reading::read;

use crate::name::ContractName;

/// The types of one contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EventModel {
    pub(crate) name: ContractName,
    /// `CaseCreatedV1`: the payload's own type.
    pub(crate) type_name: String,
    /// Nested ones first, the payload's own last.
    pub(crate) types: Vec<TypeDef>,
}

/// One named type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TypeDef {
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An object with these fields; more may be there.
    Fields(Vec<Field>),
    /// One of these texts.
    Choice(Vec<String>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) required: bool,
    pub(crate) nullable: bool,
    pub(crate) shape: Shape,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Text {
        length: Range<u64>,
        pattern: Option<String>,
    },
    Uuid,
    DateTime,
    Integer {
        value: Range<i64>,
    },
    Boolean,
    List {
        item: Box<Shape>,
        count: Range<u64>,
    },
    /// A type that is defined before.
    Named(String),
}

/// Both ends are allowed values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Range<T> {
    pub(crate) min: Option<T>,
    pub(crate) max: Option<T>,
}

/// `vibe_created` → `VibeCreated`.
pub(crate) fn pascal(snake: &str) -> String {
    let parts = snake.split('_').filter(|part| !part.is_empty());
    parts.fold(String::new(), |mut text, part| {
        let mut chars = part.chars();
        text.extend(chars.next().map(|first| first.to_ascii_uppercase()));
        text.push_str(chars.as_str());
        text
    })
}
