use sea_mq_event::header;
use time::UtcOffset;
use time::format_description::well_known::Rfc3339;

use crate::Claimed;

impl Claimed {
    /// The headers that the event travels with, but for its id: name and value. The same each time
    /// that the row is published.
    #[must_use]
    pub fn headers(&self) -> Vec<(String, String)> {
        let mut headers: Vec<(String, String)> = Vec::with_capacity(8);
        let mut add = |name: &str, value: String| headers.push((name.to_owned(), value));
        add(header::CORRELATION_ID, self.correlation_id.to_string());
        if let Some(cause) = self.causation_id {
            add(header::CAUSATION_ID, cause.to_string());
        }
        add(header::EVENT_VERSION, self.event_version.to_string());
        add(header::EVENT_TYPE, self.event_type.clone());
        if let Ok(at) = self.occurred_at.to_offset(UtcOffset::UTC).format(&Rfc3339) {
            add(header::OCCURRED_AT, at);
        }
        if let Some(kind) = &self.aggregate_type {
            add(header::AGGREGATE_TYPE, kind.clone());
        }
        if let Some(id) = &self.aggregate_id {
            add(header::AGGREGATE_ID, id.clone());
        }
        if let Some(trace) = self.trace_id.as_deref().and_then(|text| traceparent(text, self.id.as_u128())) {
            add(header::TRACEPARENT, trace);
        }
        headers
    }
}

/// A W3C traceparent as it is; a bare trace id (32 hex digits) becomes one, with a parent derived
/// from the event's id. Anything else is no trace.
fn traceparent(text: &str, event: u128) -> Option<String> {
    let is_hex = |s: &str| s.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    let parts: Vec<&str> = text.split('-').collect();
    match parts.as_slice() {
        [version, trace, parent, flags]
            if [version.len(), trace.len(), parent.len(), flags.len()] == [2, 32, 16, 2]
                && parts.iter().all(|part| is_hex(part)) =>
        {
            Some(text.to_owned())
        }
        [trace] if trace.len() == 32 && is_hex(trace) => {
            let parent = u64::try_from(event & u128::from(u64::MAX)).unwrap_or(1).max(1);
            Some(format!("00-{trace}-{parent:016x}-01"))
        }
        _other => None,
    }
}

#[cfg(test)]
mod tests {
    use super::traceparent;

    #[test]
    fn only_what_w3c_knows_travels() {
        let whole = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert_eq!(traceparent(whole, 1).as_deref(), Some(whole));
        let bare = traceparent("0af7651916cd43dd8448eb211c80319c", 255);
        assert_eq!(bare.as_deref(), Some("00-0af7651916cd43dd8448eb211c80319c-00000000000000ff-01"));
        for bad in ["", "abc", "00-xyz-b7ad6b7169203331-01", "0AF7651916CD43DD8448EB211C80319C"] {
            assert_eq!(traceparent(bad, 1), None, "{bad}");
        }
    }
}
