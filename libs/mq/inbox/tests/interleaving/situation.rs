//! Situations that single steps, drawn one by one, come upon too seldom: each ends anywhere, and other
//! steps come in between.

use proptest::prelude::*;

use crate::schedule::{Step, Style, When, style};

/// Of handlers the newest is number 0.
fn advance(pick: u8, statements: u8) -> Step {
    Step::Advance { pick, statements }
}

fn start(style: Style) -> Step {
    Step::Start { worker: 0, pick: 0, style, when: When::Now }
}

pub fn situations() -> impl Strategy<Value = Vec<Step>> {
    let numbers = (1u8..=5, 0u8..=6, style(), style());
    (0u8..7, numbers).prop_map(|(which, (far, next, first, second))| match which {
        0 => overtaken(far, next, first, second),
        1 => doubled(far, next, first, second),
        2 => held(first),
        3 => orphaned(far, first, second),
        4 => redriven(far, first),
        5 => crashed(first),
        _last => answered_late(first, second),
    })
}

/// A handler hangs; its attempt is given up and the next one runs; then it goes on.
fn overtaken(far: u8, next: u8, first: Style, second: Style) -> Vec<Step> {
    let cut_off = Step::CutOff { pick: 0, when: When::Now };
    vec![start(first), advance(0, far), cut_off, start(second), advance(0, next), advance(1, 6)]
}

/// Two handlers run the same attempt.
fn doubled(far: u8, next: u8, first: Style, second: Style) -> Vec<Step> {
    let twice = Step::CallTwice { pick: 0, style: second };
    vec![start(first), twice, advance(0, far), advance(1, next), advance(0, 6)]
}

/// The worker waits no longer for a handler that holds the inbox row.
fn held(style: Style) -> Vec<Step> {
    let cut_off = Step::CutOff { pick: 0, when: When::Now };
    vec![start(style), advance(0, 5), cut_off, Step::Arrive { pick: 0 }]
}

/// The worker ends while a handler runs, and another takes over.
fn orphaned(far: u8, first: Style, second: Style) -> Vec<Step> {
    let take_over = [Step::Die { worker: 0 }, Step::Expire { worker: 0 }, Step::Tick { worker: 1 }];
    let then = [start(second), advance(0, far), advance(1, 6)];
    [start(first), advance(0, far)].into_iter().chain(take_over).chain(then).collect()
}

/// A handler is gone before its commit. One that had answered before it would be believed.
fn crashed(style: Style) -> Vec<Step> {
    let answer = Step::Answer { pick: 0, when: When::Now };
    vec![start(style), advance(0, 5), answer, Step::Crash { pick: 0 }, Step::Arrive { pick: 0 }]
}

/// A handler hangs while its message dies and is redriven.
fn redriven(far: u8, style: Style) -> Vec<Step> {
    let cut_off = Step::CutOff { pick: 0, when: When::Now };
    let letters = Step::Letters { worker: 0, when: When::Now };
    vec![start(style), advance(0, far), cut_off, letters, Step::Redrive { pick: 0 }, advance(0, 6)]
}

/// A settlement is under way while the message goes on without it.
fn answered_late(first: Style, second: Style) -> Vec<Step> {
    let raise = Step::Raise { pick: 0, poison: false };
    let answer = Step::Answer { pick: 0, when: When::Late };
    let take_over = [Step::Expire { worker: 0 }, Step::Tick { worker: 1 }];
    let then = [start(second), Step::Arrive { pick: 0 }, advance(0, 6)];
    [start(first), advance(0, 2), raise, answer].into_iter().chain(take_over).chain(then).collect()
}
