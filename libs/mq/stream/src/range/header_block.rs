//! The header block of a stored message, as whoever wrote it left it: pure.
//!
//! The servers store any bytes as a header block. The client library takes fewer: over the others it
//! closes the connection, or panics. What it takes is said here once more, so that such a message is known
//! before it is sent to anybody.

/// What a header block says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct HeaderBlock {
    /// As the client library would give them; of a block that it refuses, whatever looks like a header.
    pub(super) headers: Vec<(String, String)>,
    /// Why the client library refuses it.
    pub(super) flaw: Option<String>,
}

impl HeaderBlock {
    /// Reads a block; an empty one is that of a message without headers.
    pub(super) fn read(block: &[u8]) -> Self {
        let text = String::from_utf8_lossy(block);
        let mut lines = text.lines().peekable();
        let mut flaw = std::str::from_utf8(block).err().map(|error| format!("it is not UTF-8: {error}"));
        if let Some(first) = lines.next() {
            flaw = flaw.or_else(|| first_line_flaw(first));
        }
        let mut headers = Vec::new();
        while let Some(line) = lines.next() {
            if line.is_empty() {
                continue;
            }
            let Some((name, value)) = line.split_once(':') else {
                flaw.get_or_insert_with(|| format!("a line has no colon: {}", shown(line)));
                continue;
            };
            let mut value = value.trim_start().to_owned();
            while let Some(more) = lines.next_if(|line| line.starts_with(char::is_whitespace)) {
                value.push_str(more);
            }
            let value = value.trim_end();
            flaw = flaw.or_else(|| header_flaw(name, value));
            headers.push((name.to_owned(), value.to_owned()));
        }
        headers.sort_by(|left, right| left.0.cmp(&right.0));
        Self { headers, flaw }
    }
}

fn first_line_flaw(line: &str) -> Option<String> {
    let Some(status) = line.strip_prefix("NATS/1.0").map(str::trim) else {
        return Some(format!("it begins with {} instead of NATS/1.0", shown(line)));
    };
    let status = status.split_once(' ').map_or(status, |(status, _description)| status.trim());
    let is_status = match status.as_bytes() {
        [] => true,
        [hundreds, rest @ ..] => {
            (b'1'..=b'9').contains(hundreds) && rest.len() == 2 && rest.iter().all(u8::is_ascii_digit)
        }
    };
    (!is_status).then(|| format!("its status is {}", shown(status)))
}

fn header_flaw(name: &str, value: &str) -> Option<String> {
    if !name.chars().all(|c| c.is_ascii_graphic()) {
        return Some(format!("a header's name is {}", shown(name)));
    }
    value.contains('\r').then(|| format!("header {} has a carriage return inside", shown(name)))
}

/// Short and printable.
fn shown(text: &str) -> String {
    let short: String = text.chars().take(40).collect();
    format!("{short:?}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::HeaderBlock;

    fn read(block: &[u8]) -> (Vec<(String, String)>, Option<String>) {
        let HeaderBlock { headers, flaw } = HeaderBlock::read(block);
        (headers, flaw)
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn what_every_client_takes() {
        let block = b"NATS/1.0\r\nX-B: a:b\r\nnats-msg-id:  42 \r\nX-A: 1\r\n  more\r\nX-Empty:\r\n\r\n";
        let want = pairs(&[("X-A", "1  more"), ("X-B", "a:b"), ("X-Empty", ""), ("nats-msg-id", "42")]);
        assert_eq!(read(block), (want, None));
        assert_eq!(read(b""), (Vec::new(), None), "no headers");
        assert_eq!(read(b"NATS/1.0 503 Gone\r\nX-A: 1\r\n\r\n"), (pairs(&[("X-A", "1")]), None));
    }

    #[test]
    fn what_no_client_takes_is_said_and_the_rest_is_kept() {
        let cases: [(&[u8], &str, &[(&str, &str)]); 8] = [
            (b"NATS/1.0\r\nno colon\r\nX-A: 1\r\n\r\n", "no colon", &[("X-A", "1")]),
            (b"NATS/1.0\r\nX-A: \xff\r\n\r\n", "UTF-8", &[("X-A", "\u{fffd}")]),
            (b"HTTP/1.1\r\nX-A: 1\r\n\r\n", "NATS/1.0", &[("X-A", "1")]),
            (b"NATS/1.0 abc\r\nX-A: 1\r\n\r\n", "status", &[("X-A", "1")]),
            (b"NATS/1.0 000\r\n\r\n", "status", &[]),
            (b"NATS/1.0\r\nX A: 1\r\n\r\n", "name", &[("X A", "1")]),
            (b"NATS/1.0\r\n folded: 1\r\n\r\n", "name", &[(" folded", "1")]),
            (b"NATS/1.0\r\nX-A: a\rb\r\n\r\n", "carriage return", &[("X-A", "a\rb")]),
        ];
        for (block, why, want) in cases {
            let (headers, flaw) = read(block);
            assert_eq!(headers, pairs(want), "{}", block.escape_ascii());
            assert!(flaw.is_some_and(|flaw| flaw.contains(why)), "{}", block.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(block in prop::collection::vec(any::<u8>(), 0..300)) {
            let flaw = HeaderBlock::read(&block).flaw.unwrap_or_default();
            prop_assert!(flaw.chars().count() < 200 && !flaw.contains(char::is_control), "{flaw}");
        }
    }
}
