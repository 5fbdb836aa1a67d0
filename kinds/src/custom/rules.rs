//! Rules of a definition (`x-kubernetes-validations`), judged as the API server judges those of an object that is new, by the crate `kube-cel`
//! (ADR 114). What it cannot judge is left to the API server; so are rules that compare with the object as it was.
//!
//! Threats: rules come with charts. One that is long or nested deep is not parsed. The others are judged in a thread with a stack of its own and a
//! deadline; an interpreter that fails ends the thread, and judges nothing.

use std::sync::{Arc, mpsc};
use std::time::Duration;

use kube_cel::{ErrorKind, RootContext, ValidationError, Validator};
use serde_json::{Map, Value};

use crate::{Fault, escape};

/// Where a schema has its rules.
const RULES: &str = "x-kubernetes-validations";

/// Most bytes of an expression; the longest of the operators that are known have a quarter of it.
pub(super) const EXPRESSION_BYTES: usize = 8192;

/// Most levels of brackets in an expression.
pub(super) const EXPRESSION_DEPTH: usize = 64;

/// Time for the rules of one object.
const DEADLINE: Duration = Duration::from_secs(10);

/// Stack of the thread, in bytes. The parser descends once for each level of brackets.
const STACK_BYTES: usize = 64 << 20;

/// Most characters of a rule and of its message in a fault.
const SHOWN_CHARACTERS: usize = 300;

/// The rules of one version of a kind.
#[derive(Debug)]
pub struct CustomRules(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    schema: Value,
    root: RootContext,
}

impl CustomRules {
    /// The rules of a schema; none where it has none that are judged.
    pub fn of(schema: &Value, group: &str, version: &str, kind: &str) -> Option<Self> {
        let mut schema = schema.clone();
        let judged = keep_bounded(&mut schema);
        let root = RootContext {
            api_version: format!("{group}/{version}"),
            api_group: group.to_owned(),
            kind: kind.to_owned(),
        };
        (judged > 0).then(|| Self(Arc::new(Shared { schema, root })))
    }

    /// Refuses an object of which a rule is false. It must fit the schema otherwise.
    pub fn check(&self, object: &Value) -> Result<(), Fault> {
        match self.failed(object, DEADLINE) {
            None => Ok(()),
            Some(error) => Err(fault(object, &error)),
        }
    }

    /// The first rule that is false. None also where the thread gives no answer: the API server will.
    pub(super) fn failed(&self, object: &Value, deadline: Duration) -> Option<ValidationError> {
        let (shared, object) = (Arc::clone(&self.0), object.clone());
        let (sender, receiver) = mpsc::channel();
        let judge = move || {
            let judged = Validator::new().validate_with_context(&shared.schema, &object, None, Some(&shared.root));
            let errors = judged.err().map(kube_cel::ValidationErrors::into_vec).unwrap_or_default();
            let failed = errors.into_iter().find(|error| error.kind == ErrorKind::ValidationFailure);
            // Nobody listens after the deadline.
            drop(sender.send(failed));
        };
        std::thread::Builder::new().name("rules of kinds".to_owned()).stack_size(STACK_BYTES).spawn(judge).ok()?;
        receiver.recv_timeout(deadline).ok()?
    }
}

fn fault(object: &Value, error: &ValidationError) -> Fault {
    let rule = error.rule.split_whitespace().collect::<Vec<_>>().join(" ");
    let message = if error.message == format!("failed rule: {}", error.rule) { "" } else { error.message.trim() };
    let said = if message.is_empty() { String::new() } else { format!(": {}", shortened(message)) };
    Fault::field(
        pointer(object, &error.field_path),
        format!("a rule of its definition is not met{said} ({})", shortened(&rule)),
    )
}

/// The first characters of a text that may quote anything.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARACTERS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Takes the rules out of a schema that are not judged. Returns how many are left.
fn keep_bounded(schema: &mut Value) -> usize {
    match schema {
        Value::Array(items) => items.iter_mut().map(keep_bounded).sum(),
        Value::Object(fields) => {
            let mut kept = 0;
            if let Some(Value::Array(rules)) = fields.get_mut(RULES) {
                rules.retain(|rule| is_bounded(&rule["rule"]));
                rules.iter_mut().filter_map(Value::as_object_mut).for_each(bound_message);
                kept = rules.len();
            }
            kept + fields
                .iter_mut()
                .filter(|(key, _)| *key != RULES)
                .map(|(_, value)| keep_bounded(value))
                .sum::<usize>()
        }
        _ => 0,
    }
}

/// A message that cannot be made is none; its rule still counts.
fn bound_message(rule: &mut Map<String, Value>) {
    if rule.get("messageExpression").is_some_and(|expression| !is_bounded(expression)) {
        rule.remove("messageExpression");
    }
}

fn is_bounded(expression: &Value) -> bool {
    let text = expression.as_str().unwrap_or_default();
    let (mut depth, mut deepest) = (0_usize, 0);
    for byte in text.bytes() {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    !text.is_empty() && text.len() <= EXPRESSION_BYTES && deepest <= EXPRESSION_DEPTH
}

/// A path such as `spec.hosts[0].name` as a JSON Pointer. Names may have dots themselves, so they are looked up; what the object lacks
/// is left out.
pub(super) fn pointer(object: &Value, path: &str) -> String {
    let (mut value, mut rest, mut pointer) = (object, path, String::new());
    loop {
        rest = rest.strip_prefix('.').unwrap_or(rest);
        let step = match value {
            Value::Object(fields) => longest_name(fields, rest),
            Value::Array(items) => element(items, rest),
            _ => None,
        };
        let Some((name, below, left)) = step else { return pointer };
        pointer.push('/');
        pointer.push_str(&name);
        (value, rest) = (below, left);
    }
}

/// A segment of a pointer, what is there, and the rest of the path.
type Step<'a> = (String, &'a Value, &'a str);

fn longest_name<'a>(fields: &'a Map<String, Value>, rest: &'a str) -> Option<Step<'a>> {
    let steps = fields.iter().filter_map(|(name, value)| {
        let left = rest.strip_prefix(name.as_str())?;
        (left.is_empty() || left.starts_with(['.', '['])).then(|| (escape(name), value, left))
    });
    steps.max_by_key(|(name, ..)| name.len())
}

fn element<'a>(items: &'a [Value], rest: &'a str) -> Option<Step<'a>> {
    let (index, left) = rest.strip_prefix('[')?.split_once(']')?;
    let value = items.get(index.parse::<usize>().ok()?)?;
    Some((index.to_owned(), value, left))
}
