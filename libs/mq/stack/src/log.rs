//! Reading a process's log while it is written.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// How much of the end an error shows.
const TAIL_LINES: usize = 15;
/// How much of the end is read for that.
const TAIL_BYTES: u64 = 16 * 1024;

/// Reads a log line by line from where it last stopped.
#[derive(Debug)]
pub(crate) struct LogReader {
    path: PathBuf,
    offset: u64,
}

impl LogReader {
    /// Starts at the present end: what earlier runs wrote is passed over.
    pub(crate) fn at_end(path: PathBuf) -> Self {
        let offset = std::fs::metadata(&path).map_or(0, |data| data.len());
        Self { path, offset }
    }

    /// The next complete line that contains `pattern`; the reader then stands
    /// behind it, otherwise behind the last complete line.
    pub(crate) fn next_match(&mut self, pattern: &str) -> Option<String> {
        let text = read_from(&self.path, self.offset);
        for line in text.split_inclusive(|byte| *byte == b'\n') {
            if !line.ends_with(b"\n") {
                return None;
            }
            self.offset += line.len() as u64;
            let line = String::from_utf8_lossy(line);
            if line.contains(pattern) {
                return Some(line.trim_end().to_owned());
            }
        }
        None
    }

    /// The complete lines since the reader last stopped.
    pub(crate) fn new_lines(&mut self) -> Vec<String> {
        let text = read_from(&self.path, self.offset);
        let complete = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
        self.offset += complete as u64;
        String::from_utf8_lossy(&text[..complete]).lines().map(str::to_owned).collect()
    }
}

/// The last lines of a log, for an error message.
pub(crate) fn tail(path: &Path) -> String {
    let length = std::fs::metadata(path).map_or(0, |data| data.len());
    let bytes = read_from(path, length.saturating_sub(TAIL_BYTES));
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
}

/// A log that is not there yet is an empty one.
fn read_from(path: &Path, offset: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|mut file| {
        file.seek(SeekFrom::Start(offset))?;
        file.read_to_end(&mut bytes)
    });
    if read.is_err() {
        bytes.clear();
    }
    bytes
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::io::Write;

    #[test]
    fn lines_are_found_in_order_and_only_once_complete() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(file, "old ready").unwrap();
        let mut reader = LogReader::at_end(file.path().to_path_buf());
        write!(file, "first ready\nsecond re").unwrap();
        assert_eq!(reader.next_match("ready").unwrap(), "first ready");
        assert_eq!(reader.next_match("re"), None);
        writeln!(file, "ady").unwrap();
        assert_eq!(reader.next_match("ready").unwrap(), "second ready");
    }

    #[test]
    fn new_lines_come_once_and_complete() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let mut reader = LogReader::at_end(file.path().to_path_buf());
        assert_eq!(reader.new_lines(), Vec::<String>::new());
        write!(file, "one\ntwo\nthr").unwrap();
        assert_eq!(reader.new_lines(), ["one", "two"]);
        writeln!(file, "ee").unwrap();
        assert_eq!(reader.new_lines(), ["three"]);
    }

    #[test]
    fn the_tail_is_short() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        for number in 0..100 {
            writeln!(file, "line {number}").unwrap();
        }
        let tail = tail(file.path());
        assert_eq!(tail.lines().count(), TAIL_LINES);
        assert!(tail.ends_with("line 99"));
    }
}
