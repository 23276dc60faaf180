use std::time::Duration;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// From when on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Since {
    At(OffsetDateTime),
    Ago(Duration),
}

impl Since {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if let Ok(at) = OffsetDateTime::parse(text, &Rfc3339) {
            return Ok(Self::At(at));
        }
        let bad =
            || format!("`{text}` is neither a time such as 2026-11-22T18:00:00Z nor 90s, 15m, 36h or 10d");
        let unit = text.chars().last().ok_or_else(bad)?;
        let seconds: u64 = match unit {
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            _unknown => return Err(bad()),
        };
        let count: u32 = text[..text.len() - 1].parse().map_err(|_| bad())?;
        Ok(Self::Ago(Duration::from_secs(seconds * u64::from(count))))
    }

    /// The time; so long ago that there is no such time is the beginning of all times.
    pub(crate) fn before(self, now: OffsetDateTime) -> OffsetDateTime {
        match self {
            Self::At(at) => at,
            Self::Ago(ago) => time::Duration::try_from(ago)
                .ok()
                .and_then(|ago| now.checked_sub(ago))
                .unwrap_or(OffsetDateTime::UNIX_EPOCH)
                .max(OffsetDateTime::UNIX_EPOCH),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use time::OffsetDateTime;
    use time::macros::datetime;

    use super::Since;

    #[test]
    fn times_and_spans() {
        let now = datetime!(2026-11-22 18:00 UTC);
        for (text, before) in [
            ("2026-11-01T10:00:00Z", datetime!(2026-11-01 10:00 UTC)),
            ("90s", datetime!(2026-11-22 17:58:30 UTC)),
            ("15m", datetime!(2026-11-22 17:45 UTC)),
            ("36h", datetime!(2026-11-21 6:00 UTC)),
            ("10d", datetime!(2026-11-12 18:00 UTC)),
            ("100000d", OffsetDateTime::UNIX_EPOCH),
        ] {
            assert_eq!(Since::parse(text).unwrap().before(now), before, "{text}");
        }
        assert_eq!(Since::Ago(Duration::MAX).before(now), OffsetDateTime::UNIX_EPOCH);
        for bad in ["", "d", "10", "-1d", "1w", "1.5h", "yesterday", "2026-11-01", "1ä"] {
            assert!(Since::parse(bad).is_err(), "{bad}");
        }
    }
}
