//! An upper bound on the cost of an expression, computed before it is evaluated.
//!
//! CEL always terminates. But macros within macros take as many steps as the product of their lists has elements. A
//! chain of macros that double a text can make it as large as memory. So each part of an expression gets a bound on its
//! steps and on the size of its value. Both are derived from the sizes of its inputs. An expression above the limit, or
//! without a known bound, is an error.

use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, LiteralValue, operators};

use crate::Inputs;

/// Maximum number of steps of an expression. A step takes about a tenth of a microsecond, or copies 16 bytes.
pub(crate) const STEPS: u64 = 4_000_000;

/// Maximum nesting of an expression: evaluation needs stack for each level.
const DEPTH: u32 = 100;

/// Number of bytes that one step copies.
const BYTES_PER_STEP: u64 = 16;

/// Allowed functions, each with the minimum and maximum number of operands.
const FUNCTIONS: [(&str, usize, usize); 7] = [
    ("size", 1, 1),
    ("contains", 2, 2),
    ("startsWith", 2, 2),
    ("endsWith", 2, 2),
    ("string", 1, 1),
    ("int", 1, 1),
    ("double", 1, 1),
];

/// Operators whose value is no larger than a number.
const SCALAR: [&str; 12] = [
    operators::LOGICAL_AND,
    operators::LOGICAL_OR,
    operators::LOGICAL_NOT,
    operators::NOT_STRICTLY_FALSE,
    operators::SUBSTRACT,
    operators::MULTIPLY,
    operators::DIVIDE,
    operators::MODULO,
    operators::GREATER,
    operators::GREATER_EQUALS,
    operators::LESS,
    operators::LESS_EQUALS,
];

/// The sizes of an expression's inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sizes {
    /// Number of elements of the longest list or map.
    pub(crate) elements: u64,
    /// Number of bytes of the longest text.
    pub(crate) bytes: u64,
    /// Total number of values.
    pub(crate) values: u64,
}

impl Sizes {
    /// Returns the sizes of these inputs, but at least `least`: a rule that is checked at build time must work at
    /// sites.
    pub(crate) fn of(inputs: &Inputs, least: Self) -> Self {
        [&inputs.facts, &inputs.release, &inputs.site].into_iter().fold(least, Self::with)
    }

    fn with(mut self, value: &serde_json::Value) -> Self {
        self.values = self.values.saturating_add(1);
        match value {
            serde_json::Value::String(text) => self.bytes = self.bytes.max(number(text.len())),
            serde_json::Value::Array(items) => {
                self.elements = self.elements.max(number(items.len()));
                self = items.iter().fold(self, Self::with);
            }
            serde_json::Value::Object(fields) => {
                self.elements = self.elements.max(number(fields.len()));
                self.bytes = fields.keys().fold(self.bytes, |bytes, name| bytes.max(number(name.len())));
                self = fields.values().fold(self, Self::with);
            }
            _ => {}
        }
        self
    }
}

/// The bounds on one part: on its steps, and on its value, including everything in that.
#[derive(Debug, Clone, Copy, Default)]
struct CostBound {
    steps: u64,
    elements: u64,
    bytes: u64,
}

impl CostBound {
    fn scalar(steps: u64) -> Self {
        Self { steps, elements: 0, bytes: 32 }
    }

    fn copy_steps(self) -> u64 {
        self.elements.saturating_add(self.bytes / BYTES_PER_STEP).saturating_add(1)
    }
}

/// A variable of a macro, with the bound on its value.
struct Local<'a> {
    name: &'a str,
    bound: CostBound,
}

struct Walk {
    sizes: Sizes,
}

/// Returns a bound on an expression's steps, or a reason if it has none or the bound is too high.
pub(crate) fn steps(tree: &IdedExpr, sizes: Sizes) -> Result<u64, String> {
    let bound = Walk { sizes }.bound_of(&tree.expr, &mut Vec::new(), 0)?;
    if bound.steps > STEPS {
        return Err(format!(
            "it could take {} steps, and {STEPS} are allowed: look at fewer lists within lists",
            bound.steps
        ));
    }
    Ok(bound.steps)
}

impl Walk {
    fn bound_of<'a>(&self, expr: &'a Expr, locals: &mut Vec<Local<'a>>, depth: u32) -> Result<CostBound, String> {
        if depth > DEPTH {
            return Err(format!("it is nested more than {DEPTH} levels deep"));
        }
        match expr {
            Expr::Literal(literal) => Ok(literal_bound(literal)),
            Expr::Ident(name) => self.variable(name, locals),
            Expr::Select(select) => {
                let operand = self.bound_of(&select.operand.expr, locals, depth + 1)?;
                Ok(CostBound { steps: operand.steps.saturating_add(1), ..operand })
            }
            Expr::List(list) => {
                let count = number(list.elements.len());
                self.all(list.elements.iter(), count, locals, depth)
            }
            Expr::Map(map) => {
                let mut parts = Vec::new();
                for entry in &map.entries {
                    let EntryExpr::MapEntry(entry) = &entry.expr else { return Err(unknown("a struct")) };
                    parts.extend([&entry.key, &entry.value]);
                }
                self.all(parts.into_iter(), number(map.entries.len()), locals, depth)
            }
            Expr::Call(call) => self.call(call, locals, depth),
            Expr::Comprehension(comprehension) => self.comprehension(comprehension, locals, depth),
            Expr::Struct(_) => Err(unknown("a struct")),
            Expr::Unspecified => Err(unknown("something")),
        }
    }

    fn variable(&self, name: &str, locals: &[Local<'_>]) -> Result<CostBound, String> {
        if let Some(local) = locals.iter().rev().find(|local| local.name == name) {
            return Ok(CostBound { steps: 1, ..local.bound });
        }
        if Inputs::NAMES.contains(&name) {
            return Ok(CostBound { steps: 1, elements: self.sizes.elements, bytes: self.sizes.bytes });
        }
        Err(format!("`{name}` is not a variable: there are {}", Inputs::NAMES.join(", ")))
    }

    /// Returns the bound on a list or a map with these parts.
    fn all<'a>(
        &self,
        parts: impl Iterator<Item = &'a IdedExpr>,
        count: u64,
        locals: &mut Vec<Local<'a>>,
        depth: u32,
    ) -> Result<CostBound, String> {
        let mut whole = CostBound { steps: count.saturating_add(1), elements: count, bytes: 0 };
        for part in parts {
            let part = self.bound_of(&part.expr, locals, depth + 1)?;
            whole.steps = whole.steps.saturating_add(part.steps);
            whole.elements = whole.elements.max(part.elements);
            whole.bytes = whole.bytes.max(part.bytes);
        }
        Ok(whole)
    }

    fn call<'a>(&self, call: &'a CallExpr, locals: &mut Vec<Local<'a>>, depth: u32) -> Result<CostBound, String> {
        let operands = call.target.iter().map(AsRef::as_ref).chain(&call.args);
        let operands =
            operands.map(|operand| self.bound_of(&operand.expr, locals, depth + 1)).collect::<Result<Vec<_>, _>>()?;
        let steps = operands.iter().map(|operand| operand.steps).fold(1, u64::saturating_add);
        let largest = |of: fn(&CostBound) -> u64| operands.iter().map(of).max().unwrap_or_default();
        let copied = operands.iter().map(|operand| operand.copy_steps()).fold(0, u64::saturating_add);
        let name = call.func_name.as_str();
        match name {
            operators::CONDITIONAL | operators::INDEX => {
                Ok(CostBound { steps, elements: largest(|one| one.elements), bytes: largest(|one| one.bytes) })
            }
            operators::ADD => Ok(CostBound {
                steps: steps.saturating_add(copied),
                elements: operands.iter().map(|one| one.elements).fold(0, u64::saturating_add),
                bytes: operands.iter().map(|one| one.bytes).fold(0, u64::saturating_add),
            }),
            operators::NEGATE => Ok(CostBound::scalar(steps)),
            // A comparison may visit everything in both operands.
            operators::EQUALS | operators::NOT_EQUALS | operators::IN => {
                let is_literal = call.args.iter().any(|operand| matches!(operand.expr, Expr::Literal(_)));
                let compared = if is_literal { largest(|one| one.copy_steps()) } else { self.sizes.values.max(copied) };
                Ok(CostBound::scalar(steps.saturating_add(compared)))
            }
            _ if SCALAR.contains(&name) => Ok(CostBound::scalar(steps)),
            _ => check_call(name, operands.len()).map(|()| CostBound {
                steps: steps.saturating_add(copied),
                elements: 0,
                bytes: largest(|one| one.bytes).max(32),
            }),
        }
    }

    /// Returns the bound on a macro: `all`, `exists`, `exists_one`, `map` or `filter`. Only these become
    /// comprehensions.
    fn comprehension<'a>(
        &self,
        comprehension: &'a ComprehensionExpr,
        locals: &mut Vec<Local<'a>>,
        depth: u32,
    ) -> Result<CostBound, String> {
        let range = self.bound_of(&comprehension.iter_range.expr, locals, depth + 1)?;
        let rounds = range.elements;
        let begin = self.bound_of(&comprehension.accu_init.expr, locals, depth + 1)?;
        // The accumulator is a list that grows by one element in each round, or a value that does not grow.
        let grown = CostBound { steps: 1, elements: rounds, bytes: begin.bytes };
        let outside = locals.len();
        let iterated = comprehension.iter_var2.iter().chain([&comprehension.iter_var]);
        locals.extend(iterated.map(|name| Local { name, bound: CostBound { steps: 1, ..range } }));
        let accumulated = comprehension.accu_var.as_str();
        locals.push(Local { name: accumulated, bound: grown });
        let condition = self.bound_of(&comprehension.loop_cond.expr, locals, depth + 1)?;
        // A macro appends to its list in place, so the list is not an operand that is copied.
        if let Some(list) = locals.last_mut() {
            list.bound = CostBound { steps: 1, elements: 0, bytes: begin.bytes };
        }
        let step = self.bound_of(&comprehension.loop_step.expr, locals, depth + 1)?;
        let made = CostBound { steps: 1, elements: rounds.max(step.elements), bytes: begin.bytes.max(step.bytes) };
        if let Some(list) = locals.last_mut() {
            list.bound = made;
        }
        let result = self.bound_of(&comprehension.result.expr, locals, depth + 1)?;
        locals.truncate(outside);
        let round = condition.steps.saturating_add(step.steps).saturating_add(2);
        let steps = range.steps.saturating_add(begin.steps).saturating_add(rounds.saturating_mul(round));
        Ok(CostBound { steps: steps.saturating_add(result.steps), elements: made.elements, bytes: made.bytes })
    }
}

/// Returns an error unless this function may be called with this many operands.
fn check_call(name: &str, operands: usize) -> Result<(), String> {
    let known = FUNCTIONS.iter().find(|(known, ..)| *known == name);
    match known {
        Some((_, least, most)) if (*least..=*most).contains(&operands) => Ok(()),
        Some((_, least, _)) => Err(format!("`{name}` has {operands} operands, and takes {least}")),
        None => {
            let names: Vec<&str> = FUNCTIONS.iter().map(|(known, ..)| *known).collect();
            Err(format!(
                "`{name}` cannot be called: there are {}, and the macros has, all, exists, exists_one, map \
                         and filter",
                names.join(", ")
            ))
        }
    }
}

fn literal_bound(literal: &LiteralValue) -> CostBound {
    match literal {
        LiteralValue::String(text) => CostBound { steps: 1, elements: 0, bytes: number(text.inner().len()) },
        LiteralValue::Bytes(bytes) => CostBound { steps: 1, elements: 0, bytes: number(bytes.inner().len()) },
        _ => CostBound::scalar(1),
    }
}

fn unknown(what: &str) -> String {
    format!("{what} cannot be part of a rule")
}

fn number(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
