//! Composes values from a stream of YAML events.

use std::collections::HashMap;

use granit_parser::{Event, Options, Parser, ScalarStyle, Span, StrInput, Tag};
use serde_json::{Map, Value};

use super::breaks::Plain;
use super::{DEPTH, VALUES, scalar};

/// Merge key: the fields of its value are added to the map around it.
const MERGE: &str = "<<";

/// Prefix of the tags of YAML itself.
const OF_YAML: &str = "tag:yaml.org,2002:";

/// Tag of a merge key.
const OF_MERGE: &str = "tag:yaml.org,2002:merge";

/// Documents of a text, including empty ones.
pub fn documents(plain: &Plain<'_>) -> Result<Vec<Value>, String> {
    let mut options = Options::default();
    options.set_emit_comments(false);
    let events = Parser::new_from_str_with_options(&plain.text, options);
    let mut composer = Composer { plain, events, anchors: HashMap::new(), left: VALUES };
    let mut documents = Vec::new();
    while let Some((event, _)) = composer.next()? {
        match event {
            Event::DocumentStart(..) => {
                composer.anchors.clear();
                let (first, span) = composer.require_event()?;
                documents.push(composer.value(first, span, 0)?);
            }
            Event::StreamEnd => break,
            _ => {}
        }
    }
    Ok(documents)
}

struct Composer<'p, 't> {
    plain: &'p Plain<'t>,
    events: Parser<'p, StrInput<'p>>,
    /// Values of anchors, each with the number of values in it.
    anchors: HashMap<usize, (Value, usize)>,
    /// Remaining number of values that the text may have.
    left: usize,
}

impl<'p> Composer<'p, '_> {
    fn next(&mut self) -> Result<Option<(Event<'p>, Span)>, String> {
        let event = self.events.next_event().transpose();
        event.map_err(|error| format!("line {}: {}", error.marker().line(), error.info()))
    }

    /// The next event; an error at the end of the text.
    fn require_event(&mut self) -> Result<(Event<'p>, Span), String> {
        self.next()?.ok_or_else(|| "it ends within a value".to_owned())
    }

    fn value(&mut self, event: Event<'p>, span: Span, depth: usize) -> Result<Value, String> {
        let at = |what: String| format!("line {}: {what}", span.start.line());
        let before = self.left;
        self.spend(1).map_err(at)?;
        if depth > DEPTH {
            return Err(at(format!("values are nested more than {DEPTH} deep")));
        }
        let (anchor, value) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let text = self.plain.restore_breaks(text, style);
                (anchor, of_scalar(&text, style, tag.as_deref()).map_err(at)?)
            }
            Event::SequenceStart(_, anchor, _) => (anchor, self.list(depth)?),
            Event::MappingStart(_, anchor, _) => (anchor, self.map(depth)?),
            Event::Alias(id) => {
                let found = self.anchors.get(&id).cloned();
                let (value, values) = found.ok_or_else(|| at("an alias refers to its own container".to_owned()))?;
                self.spend(values).map_err(at)?;
                (0, value)
            }
            _ => return Err(at("a value is missing".to_owned())),
        };
        if anchor > 0 {
            self.anchors.insert(anchor, (value.clone(), before - self.left));
        }
        Ok(value)
    }

    fn spend(&mut self, values: usize) -> Result<(), String> {
        let left = self.left.checked_sub(values);
        self.left =
            left.ok_or_else(|| format!("it has more than {VALUES} values: split it into several components"))?;
        Ok(())
    }

    fn list(&mut self, depth: usize) -> Result<Value, String> {
        let mut items = Vec::new();
        loop {
            match self.require_event()? {
                (Event::SequenceEnd, _) => return Ok(Value::Array(items)),
                (event, span) => items.push(self.value(event, span, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Value, String> {
        let mut fields = Map::new();
        loop {
            let (event, span) = self.require_event()?;
            if event == Event::MappingEnd {
                return Ok(Value::Object(fields));
            }
            let line = span.start.line();
            let is_merge = is_merge(&event);
            let key = self.value(event, span, depth + 1)?;
            let (event, span) = self.require_event()?;
            let value = self.value(event, span, depth + 1)?;
            if is_merge {
                merge(value, &mut fields).map_err(|what| format!("line {line}: {what}"))?;
            } else {
                fields.insert(scalar::key(key).map_err(|what| format!("line {line}: {what}"))?, value);
            }
        }
    }
}

fn of_scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Result<Value, String> {
    match tag {
        None if style == ScalarStyle::Plain => scalar::resolve(None, text),
        None => Ok(text.into()),
        Some(tag) => {
            let name = format!("{}{}", tag.handle(), tag.suffix());
            // Tags of other software have no meaning here.
            name.strip_prefix(OF_YAML).map_or_else(|| Ok(text.into()), |tag| scalar::resolve(Some(tag), text))
        }
    }
}

fn is_merge(event: &Event<'_>) -> bool {
    let Event::Scalar(text, style, _, tag) = event else { return false };
    let is_tagged = tag.as_deref().is_some_and(|tag| format!("{}{}", tag.handle(), tag.suffix()) == OF_MERGE);
    text == MERGE && (is_tagged || (*style == ScalarStyle::Plain && tag.is_none()))
}

/// Adds the fields of a map, or of a list of maps, in which earlier ones take precedence.
fn merge(value: Value, fields: &mut Map<String, Value>) -> Result<(), String> {
    let maps = if let Value::Array(maps) = value { maps } else { vec![value] };
    for map in maps.into_iter().rev() {
        let Value::Object(map) = map else { return Err(format!("`{MERGE}` merges something that is not a map")) };
        fields.extend(map);
    }
    Ok(())
}
