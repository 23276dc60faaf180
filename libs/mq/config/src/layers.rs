use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;

use crate::keys;
use crate::problem::Problems;

/// Largest configuration file, in bytes.
const FILE_MAX_BYTES: u64 = 1024 * 1024;

/// Most subscriptions of one worker.
const SUBSCRIPTIONS_MAX: usize = 1000;

/// Key in lower case → text as given.
pub(crate) type Values = BTreeMap<String, String>;

/// What was said, and by whom; nothing is interpreted yet.
#[derive(Default)]
pub(crate) struct Layers {
    pub(crate) env: Values,
    pub(crate) file: FileLayer,
}

/// What the file says: keys at its top and one map for each `[[subscription]]`.
#[derive(Default)]
pub(crate) struct FileLayer {
    pub(crate) path: String,
    pub(crate) top: Values,
    pub(crate) subscriptions: Vec<Values>,
}

impl Layers {
    /// Keeps the known variables and reads the file that `CONFIG_FILE` names.
    pub(crate) fn read(vars: impl IntoIterator<Item = (String, String)>, problems: &Problems) -> Self {
        let known: BTreeMap<String, &str> =
            keys::of_worker().map(|key| (key.to_ascii_uppercase(), key)).collect();
        let mut layers = Self::default();
        for (name, value) in vars {
            if value.trim().is_empty() {
                continue;
            }
            if name == "CONFIG_FILE" {
                layers.file.path = value;
            } else if let Some(key) = known.get(&name) {
                layers.env.insert((*key).to_owned(), value);
            }
        }
        if !layers.file.path.is_empty() {
            layers.file.fill(problems);
        }
        layers
    }
}

impl FileLayer {
    fn fill(&mut self, problems: &Problems) {
        let Some(table) = read_table(&self.path, problems) else { return };
        for (key, value) in table {
            if problems.is_full() {
                return;
            }
            if key == "subscription" {
                self.fill_subscriptions(value, problems);
            } else {
                let place = format!("{key} in {}", self.path);
                take(&mut self.top, &key, value, &place, keys::of_worker(), problems);
            }
        }
    }

    fn fill_subscriptions(&mut self, value: toml::Value, problems: &Problems) {
        let Some(tables) = tables(value) else {
            let place = format!("subscription in {}", self.path);
            problems.hidden(&place, "write each subscription as a table: [[subscription]]");
            return;
        };
        if tables.len() > SUBSCRIPTIONS_MAX {
            let place = format!("subscription in {}", self.path);
            problems.hidden(&place, format!("these are {}: use at most {SUBSCRIPTIONS_MAX}", tables.len()));
            return;
        }
        for (index, table) in tables.into_iter().enumerate() {
            let mut values = Values::new();
            for (key, value) in table {
                let place = format!("{key} of subscription {} in {}", index + 1, self.path);
                take(&mut values, &key, value, &place, keys::of_subscription(), problems);
            }
            self.subscriptions.push(values);
        }
    }
}

fn tables(value: toml::Value) -> Option<Vec<toml::Table>> {
    let toml::Value::Array(items) = value else { return None };
    items.into_iter().map(|item| item.try_into::<toml::Table>().ok()).collect()
}

/// Reads and parses the file. The parser's own message would repeat the line, which may
/// hold a secret; so only its position and kind are told.
fn read_table(path: &str, problems: &Problems) -> Option<toml::Table> {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(FILE_MAX_BYTES + 1).read_to_string(&mut text));
    if let Err(error) = read {
        problems.shown("CONFIG_FILE", path, format!("cannot be read: {error}"));
        return None;
    }
    if text.len() as u64 > FILE_MAX_BYTES {
        problems.shown("CONFIG_FILE", path, format!("is larger than {FILE_MAX_BYTES} bytes"));
        return None;
    }
    match text.parse::<toml::Table>() {
        Ok(table) => Some(table),
        Err(error) => {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            let line = before.bytes().filter(|b| *b == b'\n').count() + 1;
            problems.shown("CONFIG_FILE", path, format!("is not TOML: line {line}: {}", error.message()));
            None
        }
    }
}

/// Takes one key of the file as text, or says why not.
fn take(
    into: &mut Values,
    key: &str,
    value: toml::Value,
    place: &str,
    known: impl Iterator<Item = &'static str> + Clone,
    problems: &Problems,
) {
    if !known.clone().any(|name| name == key) {
        let hint = keys::nearest(key, known).map(|near| format!("; did you mean {near}?"));
        problems.hidden(place, format!("there is no such key{}", hint.unwrap_or_default()));
        return;
    }
    match text_of(value) {
        Some(text) if text.trim().is_empty() => {}
        Some(text) => {
            into.insert(key.to_owned(), text);
        }
        None => problems.hidden(place, "use a text, a number, or for servers an array of texts"),
    }
}

/// The value as the same text that a variable would hold.
fn text_of(value: toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Float(number) => Some(number.to_string()),
        toml::Value::Boolean(flag) => Some(flag.to_string()),
        toml::Value::Array(items) => {
            let texts: Option<Vec<String>> =
                items.into_iter().map(|item| item.try_into::<String>().ok()).collect();
            texts.map(|texts| texts.join(","))
        }
        toml::Value::Datetime(_) | toml::Value::Table(_) => None,
    }
}
