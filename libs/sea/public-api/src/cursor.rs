//! Places in a list as callers see them: opaque, and refused when made up.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sea_app::SeaError;
use sea_domain::{CaseId, PolicyName};
use sea_ports::CasePosition;
use time::OffsetDateTime;
use uuid::Uuid;

/// A place in a list that can be written as a cursor.
pub(crate) trait Place: Sized {
    /// As text, before it is made opaque.
    fn to_text(&self) -> String;
    /// Back again; `None` for what was never one.
    fn from_text(text: &str) -> Option<Self>;
}

pub(crate) fn encode(place: &impl Place) -> String {
    URL_SAFE_NO_PAD.encode(place.to_text())
}

pub(crate) fn decode<P: Place>(cursor: &str) -> Result<P, SeaError> {
    let text = URL_SAFE_NO_PAD.decode(cursor).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    text.and_then(|text| P::from_text(&text)).ok_or_else(|| SeaError::Invalid {
        field: "cursor",
        problem: "is not the `next_cursor` of a page of this list; leave it out to begin with the first"
            .to_owned(),
    })
}

impl Place for CasePosition {
    fn to_text(&self) -> String {
        format!("{}/{}", self.opened_at.unix_timestamp_nanos(), self.case_id)
    }

    fn from_text(text: &str) -> Option<Self> {
        let (nanos, case_id) = text.split_once('/')?;
        let opened_at = OffsetDateTime::from_unix_timestamp_nanos(nanos.parse().ok()?).ok()?;
        Some(Self { opened_at, case_id: CaseId(Uuid::parse_str(case_id).ok()?) })
    }
}

impl Place for PolicyName {
    fn to_text(&self) -> String {
        format!("name/{self}")
    }

    fn from_text(text: &str) -> Option<Self> {
        PolicyName::parse(text.strip_prefix("name/")?).ok()
    }
}

impl Place for i32 {
    fn to_text(&self) -> String {
        format!("version/{self}")
    }

    fn from_text(text: &str) -> Option<Self> {
        text.strip_prefix("version/")?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::{Place, decode, encode};
    use sea_domain::{CaseId, PolicyName};
    use sea_ports::CasePosition;
    use std::fmt::Debug;
    use time::OffsetDateTime;
    use uuid::Uuid;

    fn comes_back<P: Place + PartialEq + Debug>(place: &P) {
        assert_eq!(&decode::<P>(&encode(place)).unwrap(), place);
    }

    #[test]
    fn places_come_back_and_others_are_refused() {
        let opened_at = OffsetDateTime::from_unix_timestamp_nanos(1_700_000_000_123_456_000).unwrap();
        comes_back(&CasePosition { opened_at, case_id: CaseId(Uuid::from_u128(7)) });
        comes_back(&PolicyName::parse("minimum_score").unwrap());
        comes_back(&3_i32);
        for made_up in ["", "!", "bmFtZQ", &encode(&3_i32), &"x".repeat(10_000)] {
            assert!(decode::<CasePosition>(made_up).is_err(), "{made_up}");
            assert!(decode::<PolicyName>(made_up).is_err(), "{made_up}");
        }
    }
}
