//! Links from document to document.

use std::path::{Path, PathBuf};

use sea_mq_stack::project_root;

const NOT_OURS: [&str; 6] = [".git", ".state", "dist", "node_modules", "target", ".venv"];

/// `file: link` of each relative link that leads nowhere.
pub fn broken() -> Vec<String> {
    let mut found = Vec::new();
    for document in documents(&project_root()) {
        let text = std::fs::read_to_string(&document).unwrap();
        let folder = document.parent().unwrap();
        let shown = document.strip_prefix(project_root()).unwrap().display().to_string();
        let bad = links(&text).into_iter().filter(|link| !leads_somewhere(folder, &document, link));
        found.extend(bad.map(|link| format!("{shown}: {link}")));
    }
    found
}

/// The documents in these folders, from the root of the repository.
pub fn documents_in(folders: &[&str]) -> Vec<String> {
    let found = folders.iter().flat_map(|folder| documents(&project_root().join(folder)));
    found.map(|path| path.strip_prefix(project_root()).unwrap().display().to_string()).collect()
}

fn documents(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap_or_default();
        if path.is_dir() && !path.is_symlink() && !NOT_OURS.iter().any(|other| name == *other) {
            found.extend(documents(&path));
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
    found
}

/// What stands in `](…)`, outside of code.
fn links(text: &str) -> Vec<String> {
    let prose = text.split("```").step_by(2).flat_map(|part| part.split('`').step_by(2));
    let mut found = Vec::new();
    for part in prose {
        found.extend(part.split("](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0.to_owned())));
    }
    found
}

fn leads_somewhere(folder: &Path, document: &Path, link: &str) -> bool {
    if link.contains("://") || link.starts_with("mailto:") {
        return true;
    }
    let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
    let target = if path.is_empty() { document.to_path_buf() } else { folder.join(path) };
    target.exists() && (anchor.is_empty() || anchors(&target).iter().any(|known| known == anchor))
}

/// Of the headings, as the usual hosts name them.
fn anchors(document: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(document).unwrap_or_default();
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let named = headings.map(|line| line.trim_start_matches('#').trim().to_lowercase().replace(' ', "-"));
    named.map(|name| name.chars().filter(|c| c.is_alphanumeric() || "-_".contains(*c)).collect()).collect()
}

#[test]
fn links_are_found_outside_of_code() {
    let text = "[a](b.md) `[x](y.md)` and [c](d.md#e)\n```\n[f](g.md)\n```\n[h](https://i)";
    assert_eq!(links(text), ["b.md", "d.md#e", "https://i"]);
}
