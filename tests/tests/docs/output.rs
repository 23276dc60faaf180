//! What a page shows of an output, against the output.

/// Stands for anything: within a line, or as a whole line for any number of lines.
const ANYTHING: &str = "…";

/// Whether the output is what the page shows.
pub fn agrees(shown: &str, output: &str) -> bool {
    let shown: Vec<&str> = shown.trim_end().lines().map(str::trim_end).collect();
    let output: Vec<&str> = output.trim_end().lines().map(str::trim_end).collect();
    lines_agree(&shown, &output)
}

fn lines_agree(shown: &[&str], output: &[&str]) -> bool {
    match (shown, output) {
        ([], []) => true,
        ([first, rest @ ..], _) if first.trim() == ANYTHING => {
            (0..=output.len()).any(|skipped| lines_agree(rest, &output[skipped..]))
        }
        ([first, rest @ ..], [line, others @ ..]) => line_agrees(first, line) && lines_agree(rest, others),
        ([], [_, ..]) | ([_, ..], []) => false,
    }
}

fn line_agrees(shown: &str, line: &str) -> bool {
    let Some((before, after)) = shown.split_once(ANYTHING) else { return shown == line };
    let Some(rest) = line.strip_prefix(before) else { return false };
    let starts = rest.char_indices().map(|(at, _)| at).chain([rest.len()]);
    starts.into_iter().any(|at| line_agrees(after, &rest[at..]))
}

#[test]
fn what_is_left_out_may_be_anything() {
    for (shown, output) in [
        ("a\nb", "a\nb\n\n"),
        ("", ""),
        ("id …", "id 7"),
        ("a … b … c", "a 1 b 2 b 3 c"),
        ("…\nb\n…", "a\nb"),
        ("a\n…\nd", "a\nb\nc\nd"),
        ("{\"n\": …, \"m\": 1}", "{\"n\": \"ä\", \"m\": 1}"),
    ] {
        assert!(agrees(shown, output), "{shown:?} {output:?}");
    }
    for (shown, output) in
        [("a", "a\nb"), ("a\nb", "a"), ("a …", "b 1"), ("a … c", "a 1 d"), ("…\nb", "a\nb\nc")]
    {
        assert!(!agrees(shown, output), "{shown:?} {output:?}");
    }
}
