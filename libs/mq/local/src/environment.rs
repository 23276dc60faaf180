use std::collections::BTreeMap;

const OPEN: &str = "{url:";

/// The names of the programs that these values refer to by `{url:NAME}`.
pub(crate) fn references<'a>(values: impl Iterator<Item = &'a String>) -> impl Iterator<Item = &'a str> {
    values.flat_map(|value| {
        value.split(OPEN).skip(1).filter_map(|rest| rest.split_once('}').map(|(name, _)| name))
    })
}

/// The value with each `{url:NAME}` replaced by that program's base URL.
pub(crate) fn filled_in(value: &str, ports: &BTreeMap<String, u16>) -> String {
    ports.iter().fold(value.to_owned(), |text, (name, port)| {
        text.replace(&format!("{OPEN}{name}}}"), &base_url(*port))
    })
}

/// Where a program of this machine listens.
pub(crate) fn base_url(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

/// A name as an environment variable has it: `sea-api` is `SEA_API`.
pub(crate) fn variable(name: &str) -> String {
    name.to_ascii_uppercase().replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::{filled_in, references, variable};

    #[test]
    fn references_are_found_and_filled_in() {
        let value = "{url:a}/x {url:b-c}".to_owned();
        assert_eq!(references([&value].into_iter()).collect::<Vec<_>>(), ["a", "b-c"]);
        let ports = [("a".to_owned(), 1), ("b-c".to_owned(), 2)].into();
        assert_eq!(filled_in(&value, &ports), "http://127.0.0.1:1/x http://127.0.0.1:2");
    }

    #[test]
    fn variables_are_written_as_shells_want_them() {
        assert_eq!(variable("sea-api"), "SEA_API");
    }
}
