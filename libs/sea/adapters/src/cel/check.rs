//! What an expression must be, beyond parsing, to be a policy's.

use cel::common::ast::{ComprehensionExpr, EntryExpr, Expr, IdedExpr, LiteralValue, SourceInfo, operators};
use sea_ports::ExpressionFault;

use super::position::at_node;

/// Most levels of an expression's tree.
pub(super) const MAX_DEPTH: usize = 64;
/// Most loops (`all`, `exists`, `exists_one`, `map`, `filter`) inside each other.
pub(super) const MAX_LOOPS: usize = 3;

/// What may be called, besides operators and macros.
const FUNCTIONS: [&str; 8] =
    ["size", "contains", "startsWith", "endsWith", "int", "uint", "double", "string"];
/// What an operator is called in the tree. Optional values are not among them.
const OPERATORS: [&str; 18] = [
    operators::CONDITIONAL,
    operators::LOGICAL_AND,
    operators::LOGICAL_OR,
    operators::LOGICAL_NOT,
    operators::SUBSTRACT,
    operators::ADD,
    operators::MULTIPLY,
    operators::DIVIDE,
    operators::MODULO,
    operators::EQUALS,
    operators::NOT_EQUALS,
    operators::GREATER_EQUALS,
    operators::LESS_EQUALS,
    operators::GREATER,
    operators::LESS,
    operators::NEGATE,
    operators::INDEX,
    operators::IN,
];

/// Looks through the whole tree.
///
/// # Errors
/// The first fault, in the order of the text.
pub(super) fn check(root: &IdedExpr, source: &SourceInfo) -> Result<(), ExpressionFault> {
    let mut walk = Walk { source, names: Vec::new(), loops: 0 };
    walk.node(root, 1)?;
    match result_of(root) {
        Kind::Bool | Kind::Unknown => Ok(()),
        Kind::Other(what) => {
            let problem = format!("a policy says true or false, this is {what}: compare it with something");
            Err(at_node(source, root.id, problem))
        }
    }
}

struct Walk<'e> {
    source: &'e SourceInfo,
    /// Names that the loops around have made.
    names: Vec<&'e str>,
    loops: usize,
}

impl<'e> Walk<'e> {
    fn node(&mut self, node: &'e IdedExpr, depth: usize) -> Result<(), ExpressionFault> {
        if depth > MAX_DEPTH {
            return Err(
                self.fault(node, format!("it is nested more than {MAX_DEPTH} levels deep: split the policy"))
            );
        }
        match &node.expr {
            Expr::Literal(LiteralValue::Bytes(_)) => Err(self.fault(node, "facts hold no bytes; use a text")),
            Expr::Literal(_) => Ok(()),
            Expr::Ident(name) => self.name(node, name),
            Expr::Select(select) => self.node(&select.operand, depth + 1),
            Expr::List(list) => list.elements.iter().try_for_each(|element| self.node(element, depth + 1)),
            Expr::Map(map) => map.entries.iter().try_for_each(|entry| self.entry(node, &entry.expr, depth)),
            Expr::Call(call) => {
                self.function(node, &call.func_name)?;
                call.target.iter().try_for_each(|target| self.node(target, depth + 1))?;
                call.args.iter().try_for_each(|argument| self.node(argument, depth + 1))
            }
            Expr::Comprehension(each) => self.each(node, each, depth),
            Expr::Struct(made) => Err(self.fault(node, format!("there is no type `{}`", made.type_name))),
            Expr::Unspecified => Err(self.fault(node, "something is missing here")),
        }
    }

    fn entry(&mut self, node: &IdedExpr, entry: &'e EntryExpr, depth: usize) -> Result<(), ExpressionFault> {
        match entry {
            EntryExpr::MapEntry(entry) => {
                self.node(&entry.key, depth + 1)?;
                self.node(&entry.value, depth + 1)
            }
            EntryExpr::StructField(field) => {
                Err(self.fault(node, format!("`{}` is no map entry", field.field)))
            }
        }
    }

    /// The loop's condition, its start and its result are the macro's, not the author's.
    fn each(
        &mut self,
        node: &IdedExpr,
        each: &'e ComprehensionExpr,
        depth: usize,
    ) -> Result<(), ExpressionFault> {
        self.node(&each.iter_range, depth + 1)?;
        if self.loops == MAX_LOOPS {
            let problem = format!("more than {MAX_LOOPS} loops inside each other: split the policy");
            return Err(self.fault(node, problem));
        }
        self.loops += 1;
        self.names.push(&each.iter_var);
        let inner = self.node(&each.loop_step, depth + 1);
        self.names.pop();
        self.loops -= 1;
        inner
    }

    fn name(&self, node: &IdedExpr, name: &str) -> Result<(), ExpressionFault> {
        // `@…` is what the macros call their own.
        if name == "facts" || name.starts_with('@') || self.names.contains(&name) {
            return Ok(());
        }
        Err(self.fault(node, format!("unknown name `{name}`: a fact is written `facts.{name}`")))
    }

    fn function(&self, node: &IdedExpr, name: &str) -> Result<(), ExpressionFault> {
        if name.starts_with('@') || OPERATORS.contains(&name) || FUNCTIONS.contains(&name) {
            return Ok(());
        }
        let known = FUNCTIONS.join(", ");
        let loops = "has, all, exists, exists_one, map, filter";
        Err(self.fault(node, format!("unknown function `{name}`: there are {known}, {loops}")))
    }

    fn fault(&self, node: &IdedExpr, problem: impl Into<String>) -> ExpressionFault {
        at_node(self.source, node.id, problem)
    }
}

/// What comes out, as far as the tree alone tells: facts are known only when they are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Bool,
    Unknown,
    Other(&'static str),
}

fn result_of(node: &IdedExpr) -> Kind {
    match &node.expr {
        Expr::Literal(literal) => of_literal(literal),
        Expr::Select(select) if select.test => Kind::Bool,
        // The facts as a whole are an object.
        Expr::Ident(name) if name == "facts" => Kind::Other("all the facts"),
        Expr::Ident(_) | Expr::Select(_) => Kind::Unknown,
        Expr::List(_) => Kind::Other("a list"),
        Expr::Map(_) => Kind::Other("a map"),
        Expr::Struct(_) | Expr::Unspecified => Kind::Unknown,
        Expr::Call(call) => of_call(&call.func_name, &call.args),
        Expr::Comprehension(each) => of_loop(each),
    }
}

fn of_literal(literal: &LiteralValue) -> Kind {
    match literal {
        LiteralValue::Boolean(_) => Kind::Bool,
        LiteralValue::Bytes(_) | LiteralValue::String(_) => Kind::Other("a text"),
        LiteralValue::Double(_) | LiteralValue::Int(_) | LiteralValue::UInt(_) => Kind::Other("a number"),
        LiteralValue::Null => Kind::Other("null"),
    }
}

fn of_call(name: &str, args: &[IdedExpr]) -> Kind {
    match name {
        operators::CONDITIONAL => match (args.get(1).map(result_of), args.get(2).map(result_of)) {
            (Some(other @ Kind::Other(_)), _) | (_, Some(other @ Kind::Other(_))) => other,
            (Some(Kind::Bool), Some(Kind::Bool)) => Kind::Bool,
            (Some(Kind::Bool | Kind::Unknown) | None, Some(Kind::Bool | Kind::Unknown) | None) => {
                Kind::Unknown
            }
        },
        operators::INDEX => Kind::Unknown,
        operators::ADD => Kind::Other("a sum"),
        operators::SUBSTRACT
        | operators::MULTIPLY
        | operators::DIVIDE
        | operators::MODULO
        | operators::NEGATE => Kind::Other("a number"),
        "size" | "int" | "uint" | "double" => Kind::Other("a number"),
        "string" => Kind::Other("a text"),
        _operators_and_functions_that_ask => Kind::Bool,
    }
}

/// `all` and `exists` keep a truth value, `map` and `filter` a list; `exists_one` counts and
/// compares at the end.
fn of_loop(each: &ComprehensionExpr) -> Kind {
    match result_of(&each.result) {
        Kind::Unknown => result_of(&each.accu_init),
        known @ (Kind::Bool | Kind::Other(_)) => known,
    }
}
