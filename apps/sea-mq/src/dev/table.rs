use sea_mq_event::ContextName;
use sea_mq_local::Flow;

/// The table of backlog and flow: its head, and a line for each context. It fits into 80 columns, the last of which terminals treat in ways of their own.
pub(crate) fn lines(flows: &[(ContextName, Flow)]) -> Vec<String> {
    let head = format!(
        "{:10} {:>7} {:>7} {:>6} {:>6} {:>9} {:>6} {:>8} {:>7} {:>4}",
        "context",
        "workers",
        "to send",
        "parked",
        "sent/s",
        "to record",
        "inbox",
        "retrying",
        "calls/s",
        "dead"
    );
    std::iter::once(head).chain(flows.iter().map(|(name, flow)| line(name, flow))).collect()
}

fn line(name: &ContextName, flow: &Flow) -> String {
    format!(
        "{:10} {:>7} {:>7} {:>6} {:>6.1} {:>9} {:>6} {:>8} {:>7.1} {:>4}",
        name.as_str(),
        flow.workers_ready,
        flow.unpublished,
        flow.parked,
        flow.published_per_sec,
        flow.pending,
        flow.unprocessed,
        flow.retrying,
        flow.calls_per_sec,
        flow.dead
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use sea_mq_event::ContextName;
    use sea_mq_local::Flow;

    use super::lines;

    #[test]
    fn columns_stand_below_their_heads() {
        let flow = Flow { unpublished: 12, dead: 3, calls_per_sec: 7.26, ..Flow::default() };
        let lines = lines(&[(ContextName::parse("sea").unwrap(), flow)]);
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0].len(), lines[1].len());
        assert!(lines[0].len() < 80, "{}", lines[0].len());
        for (head, value) in [("to send", "12"), ("calls/s", "7.3"), ("dead", "3")] {
            let end = lines[0].find(head).unwrap() + head.len();
            assert!(lines[1][..end].ends_with(value), "{head}: {}", lines[1]);
        }
    }
}
