//! Tests that every change to an entry of a signed log is found, by anyone who verifies it without the console.

use std::sync::LazyLock;

use jiff::SignedDuration;
use proptest::prelude::*;

use super::*;

/// A change to lines, each of which is an entry.
#[derive(Debug, Clone)]
enum Alteration {
    /// A byte is changed.
    Flip(usize, u8),
    /// A field has another value, but the hash is unchanged.
    Edit(usize, Edit),
    Remove(usize),
    Repeat(usize),
    Swap(usize, usize),
    Insert(usize, usize),
    /// The file is truncated.
    Cut(usize),
    /// The log ends with an earlier entry, and its head names that entry.
    Shorten(usize),
    /// A field has another value, and all later hashes are recomputed, as the owner of the database can do.
    Restamp(usize, Edit, Checkpoints),
}

/// A change to the value of a field.
#[derive(Debug, Clone, Copy)]
struct Edit {
    field: u8,
    by: i64,
}

/// The treatment of the checkpoints of a log whose hashes were recomputed.
#[derive(Debug, Clone, Copy)]
enum Checkpoints {
    Kept,
    /// Checkpoints after the edit are removed.
    Dropped,
    AllDropped,
    /// They are changed to match the edited log.
    Fitted,
    /// Another key has signed the log.
    Foreign,
}

fn edit() -> impl Strategy<Value = Edit> {
    (0..7_u8, 1..1_000_000_i64).prop_map(|(field, by)| Edit { field, by })
}

fn checkpoints() -> impl Strategy<Value = Checkpoints> {
    use Checkpoints::{AllDropped, Dropped, Fitted, Foreign, Kept};
    prop_oneof![Just(Kept), Just(Dropped), Just(AllDropped), Just(Fitted), Just(Foreign)]
}

fn tampering() -> impl Strategy<Value = Alteration> {
    let place = any::<usize>;
    prop_oneof![
        1 => (place(), 1..=255_u8).prop_map(|(place, mask)| Alteration::Flip(place, mask)),
        1 => (place(), edit()).prop_map(|(place, edit)| Alteration::Edit(place, edit)),
        1 => place().prop_map(Alteration::Remove),
        1 => place().prop_map(Alteration::Repeat),
        1 => (place(), place()).prop_map(|(one, other)| Alteration::Swap(one, other)),
        1 => (place(), place()).prop_map(|(from, to)| Alteration::Insert(from, to)),
        1 => place().prop_map(Alteration::Cut),
        1 => place().prop_map(Alteration::Shorten),
        3 => (place(), edit(), checkpoints()).prop_map(|(place, edit, fate)| Alteration::Restamp(place, edit, fate)),
    ]
}

impl Edit {
    /// Returns the text of an entry after the edit.
    fn of(self, text: &str) -> String {
        let mut entry: Entry = serde_json::from_str(text).unwrap();
        let other = format!("other-{}", self.by);
        match self.field {
            0 => entry.at += SignedDuration::from_millis(self.by),
            1 => entry.action = other,
            2 => entry.actor = other,
            3 => entry.from = other,
            4 => entry.object = other,
            5 => entry.detail = other,
            _ => entry.outcome = if entry.outcome == Outcome::Done { Outcome::Refused } else { Outcome::Done },
        }
        entry.canonical().unwrap()
    }
}

/// The site's key, another key, and a log that the site has signed to its end.
struct SignedLog {
    key: SiteKey,
    stranger: SiteKey,
    log: Log,
    lines: Vec<String>,
    /// Indexes of the lines that are entries.
    entries: Vec<usize>,
}

/// One fixture for all cases.
static SIGNED: LazyLock<SignedLog> = LazyLock::new(|| {
    let (key, stranger) = (key(), key());
    let log = sample(&key).sign(&key);
    let lines = log.lines();
    let is_entry = |index: &usize| lines[*index].starts_with("{\"kind\":\"auditEntry\"");
    let entries = (0..lines.len()).filter(is_entry).collect();
    SignedLog { key, stranger, log, lines, entries }
});

impl SignedLog {
    /// Returns the log with another text of an entry, and everything recomputed after it.
    fn restamp(&self, place: usize, edit: Edit, fate: Checkpoints) -> Log {
        let mut log = Log::new();
        for (index, text) in self.log.texts.iter().enumerate() {
            log.append(if index == place { edit.of(text) } else { text.clone() });
        }
        let checkpoints = self.log.checkpoints.iter().cloned();
        log.checkpoints = match fate {
            Checkpoints::Kept => checkpoints.collect(),
            Checkpoints::Dropped => {
                checkpoints.filter(|one| one.head.number <= i64::try_from(place).unwrap()).collect()
            }
            Checkpoints::AllDropped => Vec::new(),
            Checkpoints::Fitted => {
                let head = |one: &Checkpoint| log.heads[usize::try_from(one.head.number).unwrap()];
                checkpoints.map(|one| Checkpoint { head: head(&one), ..one }).collect()
            }
            Checkpoints::Foreign => return log.sign(&self.stranger),
        };
        log
    }

    /// Returns the export after the tampering.
    fn tamper(&self, tampering: &Alteration) -> Vec<u8> {
        let mut lines = self.lines.clone();
        let entry = |place: usize| self.entries[place % self.entries.len()];
        match *tampering {
            Alteration::Flip(place, mask) => return flip_byte(lines, entry(place), place, mask),
            Alteration::Edit(place, edit) => {
                let index = place % self.log.texts.len();
                let hash = self.log.heads[index + 1].hash.to_string();
                entry_line(&edit.of(&self.log.texts[index]), &hash).trim_end().clone_into(&mut lines[entry(index)]);
            }
            Alteration::Remove(place) => drop(lines.remove(entry(place))),
            Alteration::Repeat(place) => lines.insert(entry(place), lines[entry(place)].clone()),
            Alteration::Swap(one, other) => lines.swap(entry(one), entry(other)),
            Alteration::Insert(from, to) => lines.insert(to % self.lines.len(), lines[entry(from)].clone()),
            Alteration::Cut(place) => lines.truncate(place % self.lines.len()),
            Alteration::Shorten(place) => {
                lines = self.log.restore_to(i64::try_from(place % self.log.texts.len()).unwrap()).lines();
            }
            Alteration::Restamp(place, edit, fate) => {
                lines = self.restamp(place % self.log.texts.len(), edit, fate).lines();
            }
        }
        lines.join("\n").into_bytes()
    }
}

/// Returns the lines with one byte changed in one of them.
fn flip_byte(lines: Vec<String>, index: usize, place: usize, mask: u8) -> Vec<u8> {
    let mut lines: Vec<Vec<u8>> = lines.into_iter().map(String::into_bytes).collect();
    let within = place % lines[index].len();
    lines[index][within] ^= mask;
    lines.join(&b'\n')
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn tampered_entries_are_found(tampering in tampering()) {
        let signed = &*SIGNED;
        let bytes = signed.tamper(&tampering);
        if bytes != signed.lines.join("\n").into_bytes() {
            let on_the_host = LogKnowledge { last: signed.log.ledger.last.clone(), ..known_keys(&signed.key) };
            prop_assert!(verify(&bytes[..], &on_the_host).is_err(), "{tampering:?}");
            let needs_a_key = matches!(tampering, Alteration::Shorten(_) | Alteration::Restamp(..));
            let without_key = verify(&bytes[..], &LogKnowledge::default());
            prop_assert!(needs_a_key || without_key.is_err(), "without a key: {tampering:?}");
        }
    }
}

/// A changed byte in any line of a file, including the checkpoints and the head, without a remembered state or a known
/// key.
#[derive(Debug, Clone)]
struct Flip {
    place: usize,
    mask: u8,
}

fn flip() -> impl Strategy<Value = Flip> {
    (any::<usize>(), 1..=255_u8).prop_map(|(place, mask)| Flip { place, mask })
}

fn with_flip(lines: &[String], Flip { place, mask }: &Flip) -> Vec<u8> {
    let mut bytes = lines.join("\n").into_bytes();
    let place = place % bytes.len();
    bytes[place] ^= mask;
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn flipped_bits_are_found_without_key(flip in flip()) {
        static WHOLE: LazyLock<Vec<String>> = LazyLock::new(|| Log::new().write(12, "a").lines());
        let found = verify(&with_flip(&WHOLE, &flip)[..], &LogKnowledge::default());
        // The time of the export is about the file, not about an entry, and nothing protects it.
        prop_assert!(found.is_err() || found.is_ok_and(|report| report.exported != at(600)), "{flip:?}");
    }

    /// In a signed log, a checkpoint may be changed to look like another key's. Then fewer entries are covered, and the
    /// report says so.
    #[test]
    fn flipped_bits_never_extend_coverage(flip in flip()) {
        let signed = &*SIGNED;
        if let Ok(report) = verify(&with_flip(&signed.lines, &flip)[..], &known_keys(&signed.key)) {
            prop_assert_eq!(report.head, signed.log.head());
            prop_assert!(report.verified < 3 || report.exported != at(600));
        }
    }
}
