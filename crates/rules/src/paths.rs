//! Detection of fields in an expression that no host has: a misspelled field must be found at build time.

use cel::common::ast::{EntryExpr, Expr, IdedExpr};
use serde_json::Value;

use crate::Inputs;

/// Objects whose fields differ from host to host, so that the fields below them are not known in advance.
const OPEN: [&str; 2] = ["facts.limits", "facts.gpus"];

/// Returns the first field that an expression selects and that no sample has.
pub(crate) fn unknown_field(tree: &IdedExpr, samples: &[Inputs]) -> Option<String> {
    let mut chains = Vec::new();
    collect(&tree.expr, &mut Vec::new(), &mut chains);
    chains.iter().find_map(|chain| missing(chain, samples))
}

/// Collects every chain of fields that begins at an input, such as `facts.network.addresses`.
fn collect<'a>(expr: &'a Expr, locals: &mut Vec<&'a str>, chains: &mut Vec<Vec<&'a str>>) {
    if let Some(chain) = chain(expr) {
        if !locals.contains(&chain[0]) {
            chains.push(chain);
        }
        return;
    }
    match expr {
        // `has(facts.x)` tests for a field that may be missing; the object before it must exist.
        Expr::Select(select) => collect(&select.operand.expr, locals, chains),
        Expr::Call(call) => {
            let parts = call.target.iter().map(AsRef::as_ref).chain(&call.args);
            parts.for_each(|part| collect(&part.expr, locals, chains));
        }
        Expr::List(list) => list.elements.iter().for_each(|part| collect(&part.expr, locals, chains)),
        Expr::Map(map) => {
            for entry in &map.entries {
                if let EntryExpr::MapEntry(entry) = &entry.expr {
                    collect(&entry.key.expr, locals, chains);
                    collect(&entry.value.expr, locals, chains);
                }
            }
        }
        Expr::Comprehension(inner) => {
            collect(&inner.iter_range.expr, locals, chains);
            let outside = locals.len();
            locals.extend([inner.iter_var.as_str(), inner.accu_var.as_str()]);
            locals.extend(inner.iter_var2.as_deref());
            for part in [&inner.accu_init, &inner.loop_cond, &inner.loop_step, &inner.result] {
                collect(&part.expr, locals, chains);
            }
            locals.truncate(outside);
        }
        _ => {}
    }
}

/// Returns the names of a chain of fields, its variable first.
fn chain(expr: &Expr) -> Option<Vec<&str>> {
    match expr {
        Expr::Ident(name) => Some(vec![name]),
        Expr::Select(select) if !select.test => {
            let mut names = chain(&select.operand.expr)?;
            names.push(&select.field);
            Some(names)
        }
        _ => None,
    }
}

/// Returns a message if a chain does not exist in any of the samples.
fn missing(chain: &[&str], samples: &[Inputs]) -> Option<String> {
    let mut found: Vec<&Value> = samples.iter().filter_map(|sample| sample.get(chain[0])).collect();
    for depth in 1..chain.len() {
        let place = chain[..depth].join(".");
        let fields: Vec<_> = found.iter().filter_map(|value| value.as_object()).collect();
        if OPEN.contains(&place.as_str()) || fields.is_empty() {
            return None;
        }
        let next: Vec<&Value> = fields.iter().filter_map(|fields| fields.get(chain[depth])).collect();
        if next.is_empty() {
            let names = fields.iter().flat_map(|fields| fields.keys()).map(String::as_str);
            let near = landfall_suggestion::nearest(chain[depth], names);
            let near = near.map(|near| format!("; did you mean `{place}.{near}`?")).unwrap_or_default();
            return Some(format!("`{place}` has no field `{}`{near}", chain[depth]));
        }
        found = next;
    }
    None
}
