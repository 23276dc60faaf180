//! How much work an expression can be over facts of a size: an estimate that is never below.
//!
//! A step is about a node evaluated once; eight bytes copied or compared are one more. A value is
//! as large as what it is made of: `x + x` is twice `x`, whatever is taken out of `x` is at most
//! `x`. A loop goes through at most half as many elements as its list has bytes (`1,1,1`); the
//! work of its body is taken for the two extremes, many tiny elements and a single large one,
//! since between them, the sum being given, it is less.

use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, LiteralValue, operators};

/// Most steps of one expression's evaluation: about a tenth of a second.
pub const MAX_COST: u64 = 1_000_000;

const BYTES_PER_STEP: u64 = 8;
/// A number, a truth value.
const SCALAR: u64 = 8;
/// A number as text.
const LONGEST_SCALAR: u64 = 32;
const SMALLEST_ELEMENT: u64 = 2;

/// Most steps over facts of so many bytes.
pub(super) fn cost(root: &IdedExpr, facts_bytes: usize) -> u64 {
    let facts = u64::try_from(facts_bytes).unwrap_or(u64::MAX);
    Sizes { names: vec![("facts", facts)] }.estimate(root).steps
}

#[derive(Clone, Copy, Debug, Default)]
struct Estimate {
    steps: u64,
    /// Bytes of the value.
    size: u64,
}

impl Estimate {
    fn of_size(size: u64) -> Self {
        Self { steps: 1, size }
    }

    /// One after the other; the value is made of both.
    fn and(self, other: Self) -> Self {
        Self { steps: self.steps.saturating_add(other.steps), size: self.size.saturating_add(other.size) }
    }

    fn more_steps(self, steps: u64) -> Self {
        Self { steps: self.steps.saturating_add(steps), ..self }
    }

    /// All of the value is touched.
    fn touched(self) -> Self {
        self.more_steps(1 + self.size / BYTES_PER_STEP)
    }
}

/// How large the values behind the names in sight can be, the innermost last.
struct Sizes<'e> {
    names: Vec<(&'e str, u64)>,
}

impl<'e> Sizes<'e> {
    fn estimate(&mut self, node: &'e IdedExpr) -> Estimate {
        match &node.expr {
            Expr::Literal(literal) => Estimate::of_size(literal_size(literal)),
            Expr::Ident(name) => Estimate::of_size(self.size_of(name)),
            Expr::Select(select) => self.estimate(&select.operand).more_steps(1),
            Expr::List(list) => self.all(&list.elements).touched(),
            Expr::Map(map) => self.entries(map.entries.iter().map(|entry| &entry.expr)).touched(),
            Expr::Struct(made) => self.entries(made.entries.iter().map(|entry| &entry.expr)).touched(),
            Expr::Call(call) => self.call(call),
            Expr::Comprehension(each) => self.each(each),
            Expr::Unspecified => Estimate::of_size(SCALAR),
        }
    }

    /// A name that is not in sight is as large as the largest that is.
    fn size_of(&self, name: &str) -> u64 {
        let found = self.names.iter().rev().find(|(known, _)| *known == name).map(|(_, size)| *size);
        found.or_else(|| self.names.iter().map(|(_, size)| *size).max()).unwrap_or(SCALAR)
    }

    fn all(&mut self, nodes: impl IntoIterator<Item = &'e IdedExpr>) -> Estimate {
        nodes.into_iter().fold(Estimate::default(), |sum, node| {
            sum.and(self.estimate(node)).and(Estimate { steps: 0, size: SMALLEST_ELEMENT })
        })
    }

    fn entries(&mut self, entries: impl Iterator<Item = &'e EntryExpr>) -> Estimate {
        entries.fold(Estimate::default(), |sum, entry| match entry {
            EntryExpr::MapEntry(entry) => sum.and(self.all([&entry.key, &entry.value])),
            EntryExpr::StructField(field) => sum.and(self.all([&field.value])),
        })
    }

    fn call(&mut self, call: &'e CallExpr) -> Estimate {
        let inputs = self.all(call.target.as_deref().into_iter().chain(&call.args));
        match call.func_name.as_str() {
            operators::ADD => inputs.touched(),
            operators::INDEX | operators::CONDITIONAL => inputs.more_steps(1),
            "string" => Estimate { size: inputs.size.max(LONGEST_SCALAR), ..inputs.touched() },
            operators::LOGICAL_AND | operators::LOGICAL_OR | operators::LOGICAL_NOT => {
                Estimate { size: SCALAR, ..inputs.more_steps(1) }
            }
            _that_reads_its_inputs_and_gives_a_scalar => Estimate { size: SCALAR, ..inputs.touched() },
        }
    }

    fn each(&mut self, each: &'e ComprehensionExpr) -> Estimate {
        let range = self.estimate(&each.iter_range);
        let before = range.and(self.estimate(&each.accu_init));
        let many_small = self.iterations(each, (range.size / SMALLEST_ELEMENT).max(1), SMALLEST_ELEMENT);
        let one_large = self.iterations(each, 1, range.size);
        let (steps, size) = (many_small.steps.max(one_large.steps), many_small.size.max(one_large.size));
        Estimate { steps: before.steps.saturating_add(steps), size }
    }

    /// The work of so many iterations over elements of a size, and the size of what they have
    /// gathered: each adds at most what its step is large without what was there before.
    fn iterations(&mut self, each: &'e ComprehensionExpr, count: u64, element: u64) -> Estimate {
        self.names.push((&each.accu_var, 0));
        self.names.push((&each.iter_var, element));
        let step = self.estimate(&each.loop_step);
        let once = step.and(self.estimate(&each.loop_cond)).more_steps(1 + element / BYTES_PER_STEP);
        self.names.truncate(self.names.len() - 2);
        let gathered = SCALAR.saturating_add(count.saturating_mul(step.size));
        self.names.push((&each.accu_var, gathered));
        let result = self.estimate(&each.result);
        self.names.pop();
        Estimate { steps: count.saturating_mul(once.steps).saturating_add(result.steps), size: result.size }
    }
}

fn literal_size(literal: &LiteralValue) -> u64 {
    match literal {
        LiteralValue::String(text) => u64::try_from(text.inner().len()).unwrap_or(u64::MAX).max(SCALAR),
        LiteralValue::Bytes(bytes) => u64::try_from(bytes.inner().len()).unwrap_or(u64::MAX).max(SCALAR),
        LiteralValue::Boolean(_)
        | LiteralValue::Double(_)
        | LiteralValue::Int(_)
        | LiteralValue::Null
        | LiteralValue::UInt(_) => SCALAR,
    }
}
