//! One direction of one connection: bytes are taken in, wait until they are due,
//! and are handed on in the same order.

use std::io;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::LinkState;
use super::counts::Counts;
use super::way::Way;

/// The largest piece that is taken in at once, bytes.
const PIECE_MAX: usize = 16 * 1024;
/// Pieces between the two ends; with [`PIECE_MAX`] 1 MiB.
const PIECES_MAX: usize = 64;
/// A link of limited rate takes in what it carries in such a time.
const PIECES_PER_SEC: u64 = 20;
/// Whatever is asked for, nothing is due later than this: times stay countable.
const WAIT_MAX: Duration = Duration::from_secs(24 * 3_600);

/// Bytes on their way; none stands for the sender's close.
struct Piece {
    due: Instant,
    bytes: Vec<u8>,
}

/// Carries one direction until its sender closes it.
///
/// # Errors
/// When either end broke, or the link drew a reset.
pub(super) async fn pump(
    from: ReadHalf<'_>,
    to: WriteHalf<'_>,
    way: Way,
    counts: &Counts,
    seed: u64,
) -> io::Result<()> {
    let (sender, receiver) = mpsc::channel(PIECES_MAX);
    tokio::try_join!(take_in(from, sender, way.clone(), seed), hand_on(to, receiver, way, counts))?;
    Ok(())
}

async fn take_in(
    mut from: ReadHalf<'_>,
    pieces: mpsc::Sender<Piece>,
    mut way: Way,
    seed: u64,
) -> io::Result<()> {
    let mut timing = Timing::new(seed);
    let mut buffer = vec![0; PIECE_MAX];
    loop {
        let state = way.open().await;
        let room = room(state);
        let length = tokio::select! {
            biased;
            () = way.changed() => continue,
            length = from.read(&mut buffer[..room]) => length?,
        };
        let due = timing.due(Instant::now(), state, length)?;
        let piece = Piece { due, bytes: buffer[..length].to_vec() };
        // Nobody takes it: handing on has failed, and says so.
        if pieces.send(piece).await.is_err() || length == 0 {
            return Ok(());
        }
    }
}

async fn hand_on(
    mut to: WriteHalf<'_>,
    mut pieces: mpsc::Receiver<Piece>,
    mut way: Way,
    counts: &Counts,
) -> io::Result<()> {
    while let Some(piece) = pieces.recv().await {
        if piece.bytes.is_empty() {
            way.passable(piece.due).await;
            return to.shutdown().await;
        }
        deliver(&mut to, &piece, &mut way, counts).await?;
    }
    Ok(())
}

/// A receiver that does not read must not keep the link from being cut: what is
/// not written by then waits.
async fn deliver(to: &mut WriteHalf<'_>, piece: &Piece, way: &mut Way, counts: &Counts) -> io::Result<()> {
    let mut rest = piece.bytes.as_slice();
    while !rest.is_empty() {
        way.passable(piece.due).await;
        tokio::select! {
            biased;
            () = way.changed() => {}
            written = to.write(rest) => {
                let written = written?;
                if written == 0 {
                    return Err(io::ErrorKind::WriteZero.into());
                }
                counts.carried(way.direction(), written);
                rest = &rest[written..];
            }
        }
    }
    Ok(())
}

/// How many bytes may be taken in at once.
fn room(state: LinkState) -> usize {
    match state {
        LinkState::Slow { bytes_per_sec: Some(rate), .. } => {
            usize::try_from(rate / PIECES_PER_SEC).unwrap_or(PIECE_MAX).clamp(1, PIECE_MAX)
        }
        LinkState::Clear
        | LinkState::Cut
        | LinkState::Refused
        | LinkState::Slow { bytes_per_sec: None, .. }
        | LinkState::Lossy { .. } => PIECE_MAX,
    }
}

/// When each piece is due.
struct Timing {
    random: SmallRng,
    /// When the last byte of a link of limited rate has left.
    sent: Option<Instant>,
    /// Nothing is due before what came before it.
    last: Option<Instant>,
}

impl Timing {
    fn new(seed: u64) -> Self {
        Self { random: SmallRng::seed_from_u64(seed), sent: None, last: None }
    }

    /// # Errors
    /// `ConnectionReset` when the link draws that.
    fn due(&mut self, now: Instant, state: LinkState, length: usize) -> io::Result<Instant> {
        let own = match state {
            LinkState::Clear | LinkState::Cut | LinkState::Refused => now,
            LinkState::Slow { delay, jitter, bytes_per_sec } => {
                let wait = delay.saturating_add(jitter.mul_f64(self.random.random()));
                self.leaves(now, length, bytes_per_sec) + wait.min(WAIT_MAX)
            }
            LinkState::Lossy { stall_chance, stall_min, stall_max, reset_chance } => {
                if self.random.random::<f64>() < reset_chance {
                    return Err(io::ErrorKind::ConnectionReset.into());
                }
                now + self.stall(stall_chance, stall_min, stall_max)
            }
        };
        let due = self.last.map_or(own, |last| last.max(own));
        self.last = Some(due);
        Ok(due)
    }

    fn leaves(&mut self, now: Instant, length: usize, bytes_per_sec: Option<u64>) -> Instant {
        let Some(rate) = bytes_per_sec else { return now };
        let nanos = (length as u64).saturating_mul(1_000_000_000) / rate.max(1);
        let sent = self.sent.map_or(now, |sent| sent.max(now)) + Duration::from_nanos(nanos);
        self.sent = Some(sent);
        sent
    }

    fn stall(&mut self, chance: f64, min: Duration, max: Duration) -> Duration {
        let (stalls, part) = (self.random.random::<f64>() < chance, self.random.random());
        let stall = min.saturating_add(max.saturating_sub(min).mul_f64(part));
        if stalls { stall.min(WAIT_MAX) } else { Duration::ZERO }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn slow(bytes_per_sec: Option<u64>) -> LinkState {
        LinkState::Slow { delay: 50 * MS, jitter: 20 * MS, bytes_per_sec }
    }

    #[test]
    fn what_is_slow_stays_in_order_and_within_its_bounds() {
        let (mut timing, start) = (Timing::new(7), Instant::now());
        let mut last = start;
        for step in 0..200 {
            let now = start + step * MS;
            let due = timing.due(now, slow(None), 100).unwrap();
            assert!(due >= last && due >= now + 50 * MS && due <= now + 70 * MS);
            last = due;
        }
        assert!(timing.due(start, LinkState::Clear, 100).unwrap() >= last, "nothing overtakes");
    }

    #[test]
    fn a_rate_spreads_what_comes_at_once() {
        let (mut timing, start) = (Timing::new(7), Instant::now());
        for _ in 0..9 {
            timing.due(start, slow(Some(1_000)), 100).unwrap();
        }
        let last = timing.due(start, slow(Some(1_000)), 100).unwrap();
        assert!(last >= start + 1_050 * MS && last <= start + 1_070 * MS);
        assert_eq!(room(slow(Some(1_000))), 50);
        assert_eq!(room(slow(Some(1))), 1);
        assert_eq!(room(slow(Some(u64::MAX))), PIECE_MAX);
    }

    #[test]
    fn settings_beyond_all_measure_do_no_harm() {
        let (mut timing, start) = (Timing::new(7), Instant::now());
        let endless = LinkState::Slow { delay: Duration::MAX, jitter: Duration::MAX, bytes_per_sec: Some(0) };
        assert!(timing.due(start, endless, PIECE_MAX).unwrap() >= start + WAIT_MAX);
        let absurd = LinkState::Lossy {
            stall_chance: f64::INFINITY,
            stall_min: Duration::MAX,
            stall_max: Duration::ZERO,
            reset_chance: f64::NAN,
        };
        assert!(timing.due(start, absurd, 1).is_ok());
        assert_eq!(room(endless), 1);
    }

    #[test]
    fn the_same_seed_draws_the_same() {
        let state = LinkState::Lossy {
            stall_chance: 0.3,
            stall_min: 200 * MS,
            stall_max: 900 * MS,
            reset_chance: 0.05,
        };
        let start = Instant::now();
        let draw = |seed| {
            let mut timing = Timing::new(seed);
            (0..100).map(|_| timing.due(start, state, 1).ok()).collect::<Vec<_>>()
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
        let resets = draw(1).iter().filter(|due| due.is_none()).count();
        assert!((1..20).contains(&resets), "{resets}");
    }
}
