//! A place in a user's vibes as text: 16 hexadecimal digits of microseconds since 1970, then 32 of
//! the id. Callers hand it back as they got it.

use time::OffsetDateTime;
use uuid::Uuid;
use vibespro_domain::{VibeId, Violation};
use vibespro_ports::Place;

const TIME_DIGITS: usize = 16;
const DIGITS: usize = TIME_DIGITS + 32;

pub(crate) fn to_text(place: Place) -> String {
    let micros = (place.created_at.unix_timestamp_nanos() / 1_000) as i64;
    format!("{micros:016x}{}", place.vibe_id.0.simple())
}

pub(crate) fn parse(text: &str) -> Result<Place, Violation> {
    read(text).ok_or_else(|| {
        Violation::new("cursor", "is not one that a page gave as next_cursor; leave it out to start again")
    })
}

fn read(text: &str) -> Option<Place> {
    if text.len() != DIGITS || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let (micros, id) = text.split_at(TIME_DIGITS);
    let micros = i64::from_str_radix(micros, 16).ok()?;
    let created_at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1_000).ok()?;
    Some(Place { created_at, vibe_id: VibeId(Uuid::try_parse(id).ok()?) })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::{parse, to_text};
    use time::{Duration, OffsetDateTime};
    use uuid::Uuid;
    use vibespro_domain::VibeId;
    use vibespro_ports::Place;

    #[test]
    fn places_come_back() {
        for micros in [0, 1, 1_795_000_000_123_456] {
            let created_at = OffsetDateTime::UNIX_EPOCH + Duration::microseconds(micros);
            let place = Place { created_at, vibe_id: VibeId(Uuid::from_u128(9)) };
            assert_eq!(parse(&to_text(place)), Ok(place));
        }
    }

    #[test]
    fn anything_else_is_refused() {
        let far = format!("7{}", "f".repeat(47));
        for bad in ["", "x", &"g".repeat(48), &"é".repeat(24), &"f".repeat(48), &far, &"0".repeat(49)] {
            assert_eq!(parse(bad).unwrap_err().field, "cursor", "{bad}");
        }
    }
}
