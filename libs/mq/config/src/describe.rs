use std::fmt::Display;

/// A listing in the form of the configuration file, one `key = value` a line.
#[derive(Default)]
pub(crate) struct Listing(String);

impl Listing {
    /// A text; quoted.
    pub(crate) fn line(&mut self, key: &str, value: impl Display) {
        let quoted = toml::Value::String(value.to_string());
        self.push(&format!("{key} = {quoted}"));
    }

    /// A number.
    pub(crate) fn number(&mut self, key: &str, value: impl Display) {
        self.push(&format!("{key} = {value}"));
    }

    /// A remark.
    pub(crate) fn note(&mut self, text: &str) {
        self.push(&format!("# {text}"));
    }

    /// The head of one more subscription.
    pub(crate) fn subscription(&mut self) {
        self.push("\n[[subscription]]");
    }

    pub(crate) fn finish(self) -> String {
        self.0
    }

    fn push(&mut self, line: &str) {
        self.0.push_str(line);
        self.0.push('\n');
    }
}
