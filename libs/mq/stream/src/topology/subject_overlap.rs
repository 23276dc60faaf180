/// True when some subject matches both patterns (`*`: one token, `>`: one or more at the end).
pub(super) fn overlap(left: &str, right: &str) -> bool {
    let (mut left, mut right) = (left.split('.'), right.split('.'));
    loop {
        match (left.next(), right.next()) {
            (None, None) => return true,
            (Some(">"), Some(_)) | (Some(_), Some(">")) => return true,
            (Some(_), None) | (None, Some(_)) => return false,
            (Some(a), Some(b)) if a == b || a == "*" || b == "*" => {}
            (Some(_), Some(_)) => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::overlap;

    #[test]
    fn table() {
        let cases = [
            ("sea.event.>", "sea.event.>", true),
            ("sea.event.>", "sea.dlq.>", false),
            ("sea.event.>", "sea.>", true),
            ("sea.event.>", ">", true),
            ("sea.event.>", "*.event.>", true),
            ("sea.event.>", "sea.event", false),
            ("sea.event.>", "sea.event.a", true),
            ("sea.*.a", "sea.event.*", true),
            ("sea.*.a", "sea.event.b", false),
            ("sea.*", "sea.event.a", false),
            ("sea", "sea", true),
        ];
        for (left, right, want) in cases {
            assert_eq!(overlap(left, right), want, "{left} {right}");
            assert_eq!(overlap(right, left), want, "{right} {left}");
        }
    }
}
