//! A page's blocks.

use sea_mq_stack::project_root;

/// A document whose blocks can be run.
pub struct Page {
    /// From the root of the repository.
    pub path: String,
    pub blocks: Vec<Block>,
}

/// A ```` ```sh ```` block, and the ```` ```text ```` block that shows what it prints.
pub struct Block {
    /// Where it begins, from 1.
    pub line: usize,
    pub kind: Kind,
    pub text: String,
    pub shown: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `sh`: ends before the next begins.
    Foreground,
    /// `sh background`: a terminal of its own, until the next such block.
    Background,
}

impl Page {
    /// Reads a page of the repository.
    pub fn read(path: &str) -> Result<Self, String> {
        let text = std::fs::read_to_string(project_root().join(path)).map_err(|e| format!("{path}: {e}"))?;
        Self::parse(path, &text)
    }

    pub fn parse(path: &str, text: &str) -> Result<Self, String> {
        let blocks = blocks(text).map_err(|problem| format!("{path}:{problem}"))?;
        Ok(Self { path: path.to_owned(), blocks })
    }

    /// The block's place, for people.
    pub fn place(&self, block: &Block) -> String {
        format!("{}:{}", self.path, block.line)
    }
}

fn blocks(text: &str) -> Result<Vec<Block>, String> {
    let mut found: Vec<Block> = Vec::new();
    for (line, info, text) in fences(text)? {
        let kind = match info.as_str() {
            "sh" => Kind::Foreground,
            "sh background" => Kind::Background,
            "text" => {
                let block = found.last_mut().filter(|block| block.shown.is_none());
                block.ok_or(format!("{line}: shows the output of no block"))?.shown = Some(text);
                continue;
            }
            _what_is_only_read => continue,
        };
        found.push(Block { line, kind, text, shown: None });
    }
    Ok(found)
}

/// Line, info string and text of each fenced block.
fn fences(text: &str) -> Result<Vec<(usize, String, String)>, String> {
    let mut found = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((at, line)) = lines.next() {
        let Some(info) = line.strip_prefix("```") else { continue };
        let mut inside = String::new();
        loop {
            match lines.next() {
                Some((_, "```")) => break,
                Some((_, line)) => inside.extend([line, "\n"]),
                None => return Err(format!("{}: the block does not end", at + 1)),
            }
        }
        found.push((at + 1, info.trim().to_owned(), inside));
    }
    Ok(found)
}

#[test]
fn a_page_is_read() {
    let page =
        "Text\n```sh\none\n```\nsays\n```text\n1\n2\n```\n```toml\nx = 1\n```\n```sh background\ntwo\n```\n";
    let found = blocks(page).unwrap();
    let kinds: Vec<_> = found.iter().map(|block| (block.line, block.kind, block.text.as_str())).collect();
    assert_eq!(kinds, [(2, Kind::Foreground, "one\n"), (13, Kind::Background, "two\n")]);
    assert_eq!(found[0].shown.as_deref(), Some("1\n2\n"));
    assert!(blocks("```text\n1\n```").is_err() && blocks("```sh\n").is_err());
}
