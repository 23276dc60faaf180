use cel::ParseErrors;
use cel::common::ast::SourceInfo;
use sea_ports::ExpressionFault;

const LONGEST_PROBLEM: usize = 300;

/// A fault where the node stands in the text.
pub(super) fn at_node(source: &SourceInfo, node: u64, problem: impl Into<String>) -> ExpressionFault {
    let offset = source.offset_for(node).map_or(0, |(start, _)| start as usize);
    let (line, column) = line_and_column(&source.source, offset);
    ExpressionFault { line, column, problem: problem.into() }
}

/// The first of the parser's complaints: the others mostly follow from it.
pub(super) fn of_parser(errors: &ParseErrors) -> ExpressionFault {
    let Some(first) = errors.errors.first() else {
        return ExpressionFault { line: 1, column: 1, problem: "it cannot be parsed".to_owned() };
    };
    let place = |number: isize| u32::try_from(number).unwrap_or(1).max(1);
    let problem = match &first.source {
        Some(source) => format!("it cannot be parsed: {source}"),
        None => first.msg.clone(),
    };
    ExpressionFault { line: place(first.pos.0), column: place(first.pos.1), problem: shortened(&problem) }
}

/// Messages may quote the text or the facts at length.
pub(super) fn shortened(text: &str) -> String {
    let mut short: String =
        text.chars().take(LONGEST_PROBLEM).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if short.len() < text.len() && text.chars().nth(LONGEST_PROBLEM).is_some() {
        short.push('…');
    }
    short
}

/// Both from 1; the offset counts characters.
fn line_and_column(text: &str, offset: usize) -> (u32, u32) {
    let before = text.chars().take(offset);
    let (mut line, mut column) = (1, 1);
    for character in before {
        if character == '\n' {
            (line, column) = (line + 1, 1);
        } else {
            column += 1;
        }
    }
    (line, column)
}

#[cfg(test)]
mod tests {
    use super::{line_and_column, shortened};

    #[test]
    fn offsets_become_lines_and_columns() {
        for (offset, place) in [(0, (1, 1)), (2, (1, 3)), (3, (2, 1)), (5, (2, 3))] {
            assert_eq!(line_and_column("ab\ncd", offset), place, "{offset}");
        }
    }

    #[test]
    fn long_messages_are_cut() {
        assert_eq!(shortened("a\nb"), "a b");
        assert_eq!(shortened(&"ü".repeat(1000)).chars().count(), 301);
    }
}
