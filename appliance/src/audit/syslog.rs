//! An entry as a syslog message, RFC 5424. It contains untrusted text: names, reasons, and data from browsers. None of
//! it may end a message, begin another one, or leave the quotes of its parameter.

use std::fmt::Write as _;

use landfall_audit::{Entry, Outcome};

/// Facility "log audit".
const FACILITY: u8 = 13;
const ERROR: u8 = 3;
const WARNING: u8 = 4;
const NOTICE: u8 = 5;
const APPLICATION: &str = "landfall-console";
/// Name of the parameters. The number is reserved by RFC 5612 for documentation.
const PARAMETERS: &str = "landfall@32473";
/// Maximum length of a message ID, in characters.
const ID_LENGTH: usize = 32;

/// Returns the message of an entry: its exact text as hashed, and its hash, by which it can be found. `host` is the
/// name of the sender, or `-`. An unreadable entry also has a message.
pub fn message(host: &str, number: i64, text: &str, hash: &str) -> String {
    match serde_json::from_str::<Entry>(text) {
        Ok(entry) => of_entry(host, &entry, (number, hash)),
        Err(_) => of_unreadable(host, number, hash),
    }
}

fn of_entry(host: &str, entry: &Entry, (number, hash): (i64, &str)) -> String {
    let (severity, outcome) = match entry.outcome {
        Outcome::Done => (NOTICE, "done"),
        Outcome::Refused => (WARNING, "refused"),
    };
    let (priority, id) = (FACILITY * 8 + severity, id(&entry.action));
    let mut written = format!("<{priority}>1 {:.3} {host} {APPLICATION} - {id} [{PARAMETERS}", entry.at);
    let number = number.to_string();
    let parameters = [
        ("number", number.as_str()),
        ("hash", hash),
        ("actor", &entry.actor),
        ("action", &entry.action),
        ("object", &entry.object),
        ("outcome", outcome),
        ("detail", &entry.detail),
        ("from", &entry.from),
        ("correlation", &entry.correlation),
    ];
    for (name, value) in parameters {
        // Writing to a string cannot fail.
        let _written = write!(written, " {name}=\"{}\"", escape_value(value));
    }
    let detail = if entry.detail.is_empty() { String::new() } else { format!(" ({})", plain(&entry.detail)) };
    let (actor, object) = (plain(&entry.actor), plain(&entry.object));
    let _written = write!(written, "] \u{feff}{actor}: {} {object}: {outcome}{detail}", plain(&entry.action));
    written
}

fn of_unreadable(host: &str, number: i64, hash: &str) -> String {
    let (priority, hash) = (FACILITY * 8 + ERROR, escape_value(hash));
    format!(
        "<{priority}>1 - {host} {APPLICATION} - audit.unreadable [{PARAMETERS} number=\"{number}\" hash=\"{hash}\"] \
         \u{feff}the entry cannot be read: the log was changed after it was written"
    )
}

/// Returns the ID of a message, which is visible ASCII only.
fn id(action: &str) -> String {
    let id: String = action.chars().filter(char::is_ascii_graphic).take(ID_LENGTH).collect();
    if id.is_empty() { "-".to_owned() } else { id }
}

/// Escapes control characters, which could end a message in transit. Each is written as `#` with its number in octal,
/// as servers do, and so are Unicode line separators.
fn plain(text: &str) -> String {
    let mut written = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter.is_control() || matches!(letter, '\u{2028}' | '\u{2029}') {
            let _written = write!(written, "#{:03o}", u32::from(letter));
        } else {
            written.push(letter);
        }
    }
    written
}

/// Escapes the value of a parameter: `"`, `\` and `]` get a preceding `\`.
fn escape_value(text: &str) -> String {
    let mut written = String::with_capacity(text.len());
    for letter in plain(text).chars() {
        if matches!(letter, '"' | '\\' | ']') {
            written.push('\\');
        }
        written.push(letter);
    }
    written
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry(actor: &str, detail: &str, outcome: Outcome) -> Entry {
        Entry {
            action: "user.create".to_owned(),
            actor: actor.to_owned(),
            at: "2026-11-25T08:00:00Z".parse().unwrap(),
            correlation: "c-1".to_owned(),
            detail: detail.to_owned(),
            from: "192.0.2.7".to_owned(),
            number: 7,
            object: "bob".to_owned(),
            outcome,
        }
    }

    fn message_of(entry: &Entry) -> String {
        message("plant-7", entry.number, &entry.canonical().unwrap(), "9f2c")
    }

    /// Parses the parameters of a message as RFC 5424 defines them, and returns the rest.
    fn parameters(message: &str) -> (Vec<(String, String)>, String) {
        let (_, rest) = message.split_once(&format!("[{PARAMETERS}")).unwrap();
        let (mut letters, mut found) = (rest.chars(), Vec::new());
        while let Some(' ') = letters.next() {
            let name: String = letters.by_ref().take_while(|letter| *letter != '=').collect();
            assert_eq!(letters.next(), Some('"'));
            let mut value = String::new();
            loop {
                match letters.next().unwrap() {
                    '"' => break,
                    '\\' => value.push(letters.next().unwrap()),
                    letter => {
                        assert_ne!(letter, ']', "the hash is not the last parameter");
                        value.push(letter);
                    }
                }
            }
            found.push((name, value));
        }
        (found, letters.collect())
    }

    #[test]
    fn message_has_time_severity_and_hash() {
        let done = message_of(&entry("ada", "", Outcome::Done));
        let expected = "<109>1 2026-11-25T08:00:00.000Z plant-7 landfall-console - user.create [landfall@32473 \
            number=\"7\" hash=\"9f2c\" actor=\"ada\" action=\"user.create\" object=\"bob\" outcome=\"done\" \
            detail=\"\" from=\"192.0.2.7\" correlation=\"c-1\"] \u{feff}ada: user.create bob: done";
        assert_eq!(done, expected);
        assert!(message_of(&entry("ada", "taken", Outcome::Refused)).starts_with("<108>1 "));
        let unreadable = message("-", 9, "{\"action\":", "a\"]\nb");
        assert!(unreadable.starts_with("<107>1 - - landfall-console - audit.unreadable [landfall@32473 number=\"9\""));
        assert!(unreadable.contains("hash=\"a\\\"\\]#012b\"]") && !unreadable.contains('\n'), "{unreadable}");
    }

    proptest! {
        #[test]
        fn any_entry_becomes_one_message(
            actor in "\\PC*|.*", detail in any::<String>(), action in any::<String>(),
        ) {
            let mut entry = entry(&actor, &detail, Outcome::Done);
            entry.action.clone_from(&action);
            let message = message_of(&entry);
            prop_assert!(!message.contains(char::is_control), "{message:?}");
            prop_assert_eq!(message.lines().count(), 1);
            let (found, rest) = parameters(&message);
            prop_assert_eq!(found.len(), 9);
            prop_assert_eq!(&found[2].1, &plain(&actor));
            prop_assert_eq!(&found[6].1, &plain(&detail));
            prop_assert!(rest.starts_with(" \u{feff}"), "{:?}", rest);
            let id = message.split(' ').nth(5).unwrap();
            prop_assert!((1..=ID_LENGTH).contains(&id.len()) && id.chars().all(|letter| letter.is_ascii_graphic()));
        }
    }
}
