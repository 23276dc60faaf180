use std::collections::BTreeMap;
use std::path::Path;

use crate::TestkitError;

/// Folders that speak of failpoints without having any.
const SPEAKERS: [&str; 3] = ["failpoint", "testkit", "target"];
const MARK: &str = "failpoint!(";

/// The names of all failpoints in the Rust files below `root`, and whether each can fail.
///
/// # Errors
/// [`TestkitError::System`] when the tree cannot be read.
pub fn names_in_source(root: &Path) -> Result<BTreeMap<String, bool>, TestkitError> {
    let mut names = BTreeMap::new();
    let mut folders = vec![root.join("libs"), root.join("apps")];
    while let Some(folder) = folders.pop() {
        let doing = || format!("looking for failpoints in {}", folder.display());
        for entry in std::fs::read_dir(&folder).map_err(TestkitError::system(doing()))? {
            let path = entry.map_err(TestkitError::system(doing()))?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() && !SPEAKERS.contains(&name.as_str()) {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).map_err(TestkitError::system(doing()))?;
                names.extend(names_in(&text));
            }
        }
    }
    Ok(names)
}

fn names_in(text: &str) -> impl Iterator<Item = (String, bool)> {
    text.split(MARK).skip(1).filter_map(|rest| {
        let (name, then) = rest.trim_start().strip_prefix('"')?.split_once('"')?;
        Some((name.to_owned(), !then.trim_start().starts_with(')')))
    })
}

#[cfg(test)]
mod tests {
    use super::names_in;

    #[test]
    fn names_are_found() {
        let text = "a; failpoint!(\"x.before\");\n b; x::failpoint!(\n  \"x.after\",\n lost());
                    failpoint!(\"y\" => return);";
        let found: Vec<(String, bool)> = names_in(text).collect();
        assert_eq!(
            found,
            [("x.before", false), ("x.after", true), ("y", true)].map(|(n, f)| (n.to_owned(), f))
        );
    }
}
