//! Numbers, times and text as people read them.

use std::fmt;

/// A length of time: `350 ms`, `4.2 s`, `1 min 12 s`, `2 h 05 min`.
pub(crate) fn span(ms: u64) -> String {
    let seconds = ms.saturating_add(500) / 1_000;
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..59_950 => {
            let tenths = (ms + 50) / 100;
            format!("{}.{} s", tenths / 10, tenths % 10)
        }
        59_950..3_599_500 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        3_599_500.. => format!("{} h {:02} min", seconds / 3_600, seconds / 60 % 60),
    }
}

/// A moment since the start: `0:07`, `12:34`, `1:02:03`.
pub(crate) fn clock(ms: u64) -> String {
    let seconds = ms / 1_000;
    match seconds / 3_600 {
        0 => format!("{}:{:02}", seconds / 60, seconds % 60),
        hours => format!("{hours}:{:02}:{:02}", seconds / 60 % 60, seconds % 60),
    }
}

/// A count with its thousands set apart: `1,234,567`.
pub(super) fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Text that is shown as it is, in HTML and in SVG, in elements and in quoted attributes.
pub(super) struct Escaped<'a>(pub(super) &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for letter in self.0.chars() {
            match letter {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                '\n' | '\t' => write!(f, "{letter}")?,
                // Neither HTML nor SVG has them.
                control if control.is_control() => f.write_str("\u{fffd}")?,
                other => write!(f, "{other}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Escaped, clock, grouped, span};

    #[test]
    fn lengths_of_time_are_read_at_a_glance() {
        for (ms, text) in [
            (0, "0 ms"),
            (999, "999 ms"),
            (1_000, "1.0 s"),
            (4_249, "4.2 s"),
            (59_949, "59.9 s"),
            (59_950, "1 min 00 s"),
            (72_000, "1 min 12 s"),
            (3_599_499, "59 min 59 s"),
            (3_599_500, "1 h 00 min"),
            (7_500_000, "2 h 05 min"),
        ] {
            assert_eq!(span(ms), text, "{ms}");
        }
        assert!(span(u64::MAX).ends_with("min"));
    }

    #[test]
    fn moments_and_counts() {
        for (ms, text) in [(7_999, "0:07"), (754_000, "12:34"), (3_723_000, "1:02:03")] {
            assert_eq!(clock(ms), text, "{ms}");
        }
        for (count, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(count), text);
        }
    }

    #[test]
    fn text_cannot_become_markup() {
        let text = Escaped("<script>alert(\"1\" & '2')</script>\u{0}\n").to_string();
        assert_eq!(text, "&lt;script&gt;alert(&quot;1&quot; &amp; &#39;2&#39;)&lt;/script&gt;\u{fffd}\n");
    }
}
