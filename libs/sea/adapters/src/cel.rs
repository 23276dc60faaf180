//! Expressions of policies in CEL, the Common Expression Language, over the one name `facts`.
//!
//! The library parses and evaluates; it bounds neither the depth of what it has parsed (a chain
//! of a thousand `+` or `!` is a tree a thousand deep, and parsing, evaluating and dropping it
//! recurse) nor the work of an evaluation (loops nest, and `x + x` in a chain of `map` doubles).
//! So that no expression and no facts can take the program down or hold it up:
//!
//! | bound | where |
//! |---|---|
//! | 2,000 bytes of text | the domain, before anything is parsed |
//! | [`MAX_DEPTH`](check::MAX_DEPTH) levels, [`MAX_LOOPS`](check::MAX_LOOPS) loops inside each other | after parsing, on a stack made for the deepest tree that the text can hold |
//! | known functions, the name `facts`, a result that can be a truth value | the same |
//! | [`MAX_COST`] steps, estimated from the tree and the size of the facts, never below the truth | before each evaluation |
//! | as many at a time as there are cores | the engine |
//!
//! CEL's own rule about errors holds: `true || e` is true and `false && e` is false, whatever
//! becomes of `e`; `has(facts.score)` asks whether a fact is there.

mod check;
mod cost;
mod engine;
mod facts;
mod position;
mod rule;

pub use cost::MAX_COST;
pub use engine::CelRules;
