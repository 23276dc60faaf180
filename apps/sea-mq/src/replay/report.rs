//! What was found and done.

use sea_mq_outbox::Published;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use super::Repair;
use super::missing::Tally;
use crate::failure::Failure;

/// Until when a gap at the beginning is not worth a line.
const ABOUT: time::Duration = time::Duration::minutes(1);

/// Grows while a repair runs.
pub(super) struct Report {
    stream: String,
    created: OffsetDateTime,
    messages: u64,
    since: OffsetDateTime,
    horizon: OffsetDateTime,
    dry_run: bool,
    /// Of the first pass: it counts all.
    tally: Option<Tally>,
    /// Would be published again, in a dry run.
    missing_ids: Vec<Uuid>,
    republished: Vec<Uuid>,
    /// They were there under another place: an earlier run was cut off before it wrote it.
    found: Vec<Uuid>,
    /// The stream refuses them for good, with its reason.
    refused: Vec<(Uuid, String)>,
    /// They come after a refused one of their aggregate.
    left_out: Vec<Uuid>,
    /// Rows that were deleted from the outbox meanwhile.
    vanished: usize,
    /// Missing ones that were not come to.
    not_reached: usize,
    lowest: Option<u64>,
    begins_at: u64,
    /// Why it ended early.
    pub(super) stopped: Option<Failure>,
}

impl Report {
    pub(super) fn new(repair: &Repair, messages: u64, dry_run: bool) -> Self {
        Self {
            stream: repair.stream.clone(),
            created: repair.facts.created,
            messages,
            since: repair.since,
            horizon: repair.horizon,
            dry_run,
            tally: None,
            missing_ids: Vec::new(),
            republished: Vec::new(),
            found: Vec::new(),
            refused: Vec::new(),
            left_out: Vec::new(),
            vanished: 0,
            not_reached: 0,
            lowest: None,
            begins_at: 0,
            stopped: None,
        }
    }

    pub(super) fn looked(&mut self, tally: &Tally) {
        self.tally.get_or_insert(*tally);
    }

    pub(super) fn would(&mut self, rows: &[(i64, Uuid)]) {
        self.missing_ids.extend(rows.iter().map(|(_, id)| *id));
    }

    pub(super) fn marked(&mut self, group: &[(Published, bool)]) {
        for (row, before) in group {
            let ids = if *before { &mut self.found } else { &mut self.republished };
            ids.push(row.id);
            let seq = u64::try_from(row.stream_seq).unwrap_or_default();
            self.lowest = Some(self.lowest.map_or(seq, |lowest| lowest.min(seq)));
        }
    }

    pub(super) fn begins_at(&mut self, first_seq: u64) {
        self.begins_at = first_seq;
    }

    pub(super) fn refused(&mut self, id: Uuid, reason: String) {
        self.refused.push((id, reason));
    }

    pub(super) fn left_out(&mut self, ids: &[Uuid]) {
        self.left_out.extend_from_slice(ids);
    }

    pub(super) fn vanished(&mut self, rows: usize) {
        self.vanished += rows;
    }

    pub(super) fn ended(&mut self, not_reached: usize, stopped: Option<Failure>) {
        self.not_reached += not_reached;
        self.stopped = stopped.map(|failure| self.failed(failure));
    }

    /// It ends here; what was done before is told as well.
    pub(super) fn broken_off(mut self, failure: Failure) -> Result<Self, Failure> {
        if self.stored() == 0 {
            return Err(failure);
        }
        self.stopped = Some(self.failed(failure));
        Ok(self)
    }

    /// A failure, told apart from one before anything was done.
    fn failed(&self, failure: Failure) -> Failure {
        match self.stored() {
            0 => failure,
            stored => failure.after(&format!(
                "{stored} events were published again; run the command again, it goes on where it stopped"
            )),
        }
    }

    /// How many are in the stream now that were missing.
    pub(super) fn stored(&self) -> usize {
        self.republished.len() + self.found.len()
    }

    pub(super) fn missing(&self) -> u64 {
        self.tally.map_or(0, |tally| tally.elsewhere + tally.gone)
    }

    /// What a person has to look at, although the run came to its end.
    pub(super) fn complaint(&self) -> Option<String> {
        let stream = &self.stream;
        if !self.refused.is_empty() {
            let (refused, behind) = (self.refused.len(), self.left_out.len());
            return Some(format!(
                "{refused} events are refused by {stream} for good, and {behind} that come after them were left out: mend what the reasons name, and run the command again"
            ));
        }
        if self.lowest.is_some_and(|lowest| lowest < self.begins_at) {
            return Some(format!(
                "{stream} has lost messages again while it was repaired: run the command again"
            ));
        }
        let too_old = self.tally.map_or(0, |tally| tally.too_old);
        if too_old > 0 {
            return Some(format!(
                "{too_old} events that {stream} has lost are too old to be published again safely: look in the consumers' inboxes whether they were handled"
            ));
        }
        None
    }

    pub(super) fn to_text(&self) -> String {
        let tally = self.tally.unwrap_or_default();
        let (stream, messages, looked_at) = (&self.stream, self.messages, tally.looked_at);
        let mut lines = vec![
            format!("stream {stream}, created {}, holds {messages} messages", shown(self.created)),
            format!("outbox: {looked_at} events published since {}", shown(self.since)),
        ];
        if let Some(oldest) = tally.oldest.filter(|oldest| *oldest - self.since > ABOUT) {
            lines.push(format!(
                "the oldest of them is of {}; what was published before, if anything was, the outbox does not hold any more",
                shown(oldest)
            ));
        }
        lines.push(self.missing_text(&tally));
        if tally.too_old > 0 {
            lines.push(format!(
                "of them {} left out: due before {}, so a consumer may have forgotten by then that it has handled them",
                tally.too_old,
                shown(self.horizon)
            ));
        }
        lines.extend(self.done_lines());
        lines.join("\n")
    }

    fn missing_text(&self, tally: &Tally) -> String {
        match self.missing() {
            0 => format!("nothing to do: {} holds every one of them", self.stream),
            missing => format!(
                "missing: {missing} ({} of a former stream, {} purged or deleted)",
                tally.elsewhere, tally.gone
            ),
        }
    }

    fn done_lines(&self) -> Vec<String> {
        if self.missing() == 0 {
            return Vec::new();
        }
        if self.dry_run {
            return vec!["they would be published again (dry run: nothing changed)".to_owned()];
        }
        let mut lines = vec![format!("published again: {}", self.republished.len())];
        for (count, what) in [
            (self.found.len(), "were there already, from an earlier run"),
            (self.vanished, "were deleted from the outbox meanwhile"),
            (self.left_out.len(), "left out: they come after a refused one"),
            (self.not_reached, "not come to"),
        ] {
            if count > 0 {
                lines.push(format!("{count} {what}"));
            }
        }
        lines.extend(self.refused.iter().map(|(id, reason)| format!("refused: {id}: {reason}")));
        lines
    }

    pub(super) fn to_json(&self) -> Value {
        let tally = self.tally.unwrap_or_default();
        let refused: Vec<Value> =
            self.refused.iter().map(|(id, reason)| json!({ "id": id, "reason": reason })).collect();
        json!({
            "stream": self.stream,
            "created": shown(self.created),
            "messages": self.messages,
            "since": shown(self.since),
            "oldest": tally.oldest.map(shown),
            "too_old": tally.too_old,
            "horizon": shown(self.horizon),
            "looked_at": tally.looked_at,
            "missing": { "former_stream": tally.elsewhere, "gone": tally.gone, "ids": self.missing_ids },
            "dry_run": self.dry_run,
            "republished": self.republished,
            "found": self.found,
            "refused": refused,
            "left_out": self.left_out,
            "vanished": self.vanished,
            "not_reached": self.not_reached,
        })
    }
}

fn shown(at: OffsetDateTime) -> String {
    at.replace_nanosecond(0).ok().and_then(|at| at.format(&Rfc3339).ok()).unwrap_or_default()
}
