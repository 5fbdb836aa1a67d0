//! `landfall events`: prints recent Kubernetes events about a site's objects, newest last.

use landfall_lifecycle::operations::{SiteEvent, SiteEvents};

use super::site::operations_of_root;
use crate::age::age;
use crate::cli::EventsArguments;
use crate::document::Document;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::shown;
use crate::table::format_table;
use crate::terminal::{Tone, Words};

const WORDS: Words = &[("Warning", Tone::Attention)];

impl Document for SiteEvents {
    const KIND: &'static str = "events";
}

/// Prints the events.
pub(crate) fn run(arguments: &EventsArguments, printer: Printer) -> Result<(), Failure> {
    let events = operations_of_root(printer)?.events(arguments.component.as_deref())?;
    printer.page(&events, text, WORDS)
}

fn text(events: &SiteEvents) -> String {
    let SiteEvents { component, events, .. } = events;
    if events.is_empty() {
        let of = component.as_ref().map(|component| format!(" of {}", shown::line(component))).unwrap_or_default();
        return format!("Kubernetes reported nothing{of} within the last hour");
    }
    format_table(["age", "count", "type", "reason", "object", "message"], events.iter().map(row))
}

fn row(event: &SiteEvent) -> [String; 6] {
    let SiteEvent { age_seconds, count, severity, reason, object, message, .. } = event;
    let age = age_seconds.map_or_else(|| "?".to_owned(), age);
    let [severity, reason, object] = [severity, reason, object].map(Clone::clone);
    [age, count.to_string(), severity, reason, object, message.trim_end().to_owned()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events() -> SiteEvents {
        let event = SiteEvent {
            last: Some("2026-11-20T07:00:00Z".to_owned()),
            age_seconds: Some(3600),
            count: 7,
            severity: "Warning".to_owned(),
            reason: "BackOff".to_owned(),
            component: Some("web".to_owned()),
            object: "Pod shop/web-0".to_owned(),
            message: "it restarts\n  now     1  Normal   forged".to_owned(),
        };
        let unknown = SiteEvent { last: None, age_seconds: None, count: 1, ..event.clone() };
        SiteEvents { at: "2026-11-20T08:00:00Z".to_owned(), component: None, events: vec![unknown, event] }
    }

    #[test]
    fn events_take_one_line() {
        insta::assert_snapshot!(text(&events()), @r"
        AGE  COUNT  TYPE     REASON   OBJECT          MESSAGE
        ?    1      Warning  BackOff  Pod shop/web-0  it restarts\u{a}  now     1  Normal   forged
        1 h  7      Warning  BackOff  Pod shop/web-0  it restarts\u{a}  now     1  Normal   forged
        ");
        let none = SiteEvents { events: Vec::new(), component: Some("web".to_owned()), ..events() };
        assert_eq!(text(&none), "Kubernetes reported nothing of web within the last hour");
    }

    #[test]
    fn document_matches_schema() {
        let (_, schema) = crate::document::schema_of::<SiteEvents>();
        let document: serde_json::Value = serde_json::from_str(&crate::document::line(&events())).unwrap();
        assert!(jsonschema::is_valid(&schema, &document));
    }
}
