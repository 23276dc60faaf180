//! What of an original a letter can carry: pure.

use std::collections::HashSet;

use bytes::Bytes;
use sea_mq_event::header;

use crate::publish::{is_reserved, is_unprintable};

/// Start of every header that a letter writes itself.
const OWN_PREFIX: &str = "x-dlq-";
/// Longest subject of a letter, in bytes: a server closes the connection over a longer line, which also
/// holds the reply's subject.
const MAX_SUBJECT: usize = 1024;
/// `: ` and the line's end.
const HEADER_FRAME: usize = 4;

/// Body and headers of a message that was given up.
pub(super) struct Original {
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Bytes,
    /// `body`, or the name of a header.
    pub(super) left_out: Vec<String>,
}

impl Original {
    /// Without what the server or the letter writes anew, and without what cannot be sent.
    pub(super) fn taken(headers: Vec<(String, String)>, body: Bytes) -> Self {
        let old = headers.into_iter().filter(|(name, _)| !is_written_anew(name));
        let (headers, unsendable): (Vec<_>, Vec<_>) = old.partition(|(name, value)| is_sendable(name, value));
        let left_out = unsendable.into_iter().map(|(name, _)| name).collect();
        Self { headers, body, left_out }
    }

    /// No more than `room` bytes of it: the largest parts are left out first.
    pub(super) fn within(self, room: usize) -> Self {
        let mut size = self.body.len() + bytes_of(&self.headers);
        if size <= room {
            return self;
        }
        let headers = self.headers.iter().enumerate().map(|(n, header)| (bytes_of_one(header), Some(n)));
        let mut parts: Vec<(usize, Option<usize>)> = headers.chain([(self.body.len(), None)]).collect();
        parts.sort_by_key(|(bytes, _)| std::cmp::Reverse(*bytes));
        let mut gone = HashSet::new();
        for (bytes, part) in parts {
            if size <= room {
                break;
            }
            size -= bytes;
            gone.insert(part);
        }
        self.leave_out(&gone)
    }

    /// `None` is the body, a number the header in that place.
    fn leave_out(mut self, gone: &HashSet<Option<usize>>) -> Self {
        if gone.contains(&None) {
            self.body = Bytes::new();
            self.left_out.push("body".to_owned());
        }
        let mut kept = Vec::with_capacity(self.headers.len());
        for (n, (name, value)) in self.headers.into_iter().enumerate() {
            if gone.contains(&Some(n)) {
                self.left_out.push(name);
            } else {
                kept.push((name, value));
            }
        }
        Self { headers: kept, ..self }
    }
}

/// What headers take of a message, in bytes.
pub(super) fn bytes_of(headers: &[(String, String)]) -> usize {
    headers.iter().map(bytes_of_one).sum()
}

fn bytes_of_one((name, value): &(String, String)) -> usize {
    name.len() + value.len() + HEADER_FRAME
}

/// The same subject, or the nearest one that a message can have.
pub(super) fn sendable_subject(subject: &str) -> String {
    let tokens: Vec<String> = subject.split('.').map(sendable_token).collect();
    let mut text = tokens.join(".");
    text.truncate(text.floor_char_boundary(MAX_SUBJECT));
    text.truncate(text.trim_end_matches('.').len());
    text
}

fn sendable_token(token: &str) -> String {
    if token.is_empty() {
        return "_".to_owned();
    }
    let is_bad = |c: char| is_unprintable(c) || matches!(c, '*' | '>');
    token.chars().map(|c| if is_bad(c) { '_' } else { c }).collect()
}

fn is_written_anew(name: &str) -> bool {
    is_reserved(name)
        || name.eq_ignore_ascii_case(header::EVENT_ID)
        || name.get(..OWN_PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(OWN_PREFIX))
}

fn is_sendable(name: &str, value: &str) -> bool {
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':');
    is_name && !value.contains(['\r', '\n', '\0'])
}

#[cfg(test)]
mod tests;
