//! Edits of a vendor who follows the messages of `landfall` literally: placeholders to fill in, and lines to paste.

use serde_json::Value;

/// A component's own file that is edited as messages ask.
pub struct Draft {
    /// Text of the file.
    pub text: String,
}

impl Draft {
    /// Creates a draft from the file that `init` wrote.
    pub fn new(text: String) -> Self {
        Self { text }
    }

    /// Fills in the decisions that a user must make. Returns a description of each.
    pub fn fill_in(&mut self) -> Vec<&'static str> {
        let filled = [
            ("save: [FILL-IN]", "save: [tar, -cf, '-', .]", "backup rules"),
            ("load: [FILL-IN]", "load: [tar, -xf, '-']", "backup rules"),
            ("shows: FILL-IN, arguments: [FILL-IN]", "shows: Its files can be read, arguments: [ls]", "backup rules"),
            ("because: FILL-IN", "because: its members make it again", "why volumes have no backup"),
            ("{FILL-IN: 32}", "{password: 32}", "keys of Secrets"),
            (": FILL-IN}", ": 32}", "values of Secrets"),
            (": FILL-IN,", ": 32,", "values of Secrets"),
        ];
        let mut found = Vec::new();
        for (from, to, what) in filled {
            if self.text.contains(from) {
                self.text = self.text.replace(from, to);
                found.push(what);
            }
        }
        found.dedup();
        found
    }

    /// Applies the edit that an error asks for. Returns a short description of it, or None if this program cannot
    /// derive an edit from the message.
    pub fn follow(&mut self, error: &Value) -> Option<String> {
        let said = |field: &str| error[field].as_str().unwrap_or_default().to_owned();
        let (code, what, next) = (said("code"), said("what"), said("next"));
        let before = self.text.clone();
        let done = self
            .look_ups(&code)
            .or_else(|| self.without(&code, &next))
            .or_else(|| self.entries(&next))
            .or_else(|| self.pod_security(&what, &next));
        let done = done.or_else(|| self.add_to_list(&what, &next)).or_else(|| self.add_repeatable(&next));
        let done = done.or_else(|| self.hook(&code, &what));
        done.filter(|_| before != self.text)
    }

    /// Adds a file of values to the chart.
    pub fn values(&mut self, file: &str) {
        self.in_chart("values", file);
    }

    fn look_ups(&mut self, code: &str) -> Option<String> {
        (code == "LF2083" && !self.text.contains("lookups: empty")).then(|| self.in_chart("lookups", "empty"))
    }

    /// States the properties that the chart lacks.
    fn without(&mut self, code: &str, next: &str) -> Option<String> {
        let lacks: Vec<_> =
            next.lines().filter_map(|line| line.strip_prefix("  ")?.strip_suffix(": FILL-IN")).collect();
        if code != "LF2099" || lacks.is_empty() {
            return None;
        }
        let lines: Vec<_> = lacks.iter().map(|property| format!("{property}: its chart has none")).collect();
        self.block("without", &lines);
        Some(format!("without {}", lacks.join(", ")))
    }

    /// Pastes lines: Secrets, and volumes without a backup.
    fn entries(&mut self, next: &str) -> Option<String> {
        let of = |start: &str| {
            let lines = next.lines().map(str::trim).filter(|line| line.starts_with(start) && line.ends_with('}'));
            lines.map(str::to_owned).collect::<Vec<_>>()
        };
        let secrets = of("- {name: ");
        if !secrets.is_empty() {
            for entry in &secrets {
                let named = entry.split([',', '}']).next().unwrap_or_default();
                let is_same = |line: &str| line.trim().split([',', '}']).next() == Some(named);
                self.text = self.text.split_inclusive('\n').filter(|line| !is_same(line)).collect();
            }
            self.block("secrets", &secrets);
            return Some(format!("{} Secrets declared", secrets.len()));
        }
        let volumes = of("- {volume: ");
        if volumes.is_empty() {
            return None;
        }
        self.block("unsaved", &volumes);
        self.fill_in();
        Some(format!("{} volumes stated as unsaved", volumes.len()))
    }

    fn pod_security(&mut self, what: &str, next: &str) -> Option<String> {
        let (level, _) = what.split_once("the level `")?.1.split_once('`')?;
        let named = next.split_once("write `podSecurity: ").and_then(|(_, named)| named.split('`').next());
        let other = named.unwrap_or(if level == "restricted" { "baseline" } else { "privileged" });
        self.field("podSecurity", other);
        Some(format!("podSecurity: {other}"))
    }

    /// Adds words to the list that a message names.
    fn add_to_list(&mut self, what: &str, next: &str) -> Option<String> {
        let quoted = |text: &str, before: &str, after: &str| {
            let (_, rest) = text.split_once(before)?;
            let (word, rest) = rest.split_once('`')?;
            rest.starts_with(after).then(|| word.to_owned())
        };
        if let Some((_, rest)) = next.split_once("notImages: [") {
            let words = rest.split_once(']')?.0.replace('"', "'");
            self.list("notImages", &words);
            return Some("notImages".to_owned());
        }
        if let Some(namespace) = quoted(next, "list `", " under `namespaces`") {
            self.list("namespaces", &namespace);
            return Some(format!("namespaces: {namespace}"));
        }
        let titles = next.split_once(" under `leaveOut`").and_then(|(before, _)| before.rsplit_once("list `"));
        if let Some((_, titles)) = titles {
            let titles = titles.replace('`', "");
            self.in_chart("leaveOut", &titles);
            return Some(format!("leaveOut: {titles}"));
        }
        if let Some(need) = quoted(next, "Add `", " to `needs`") {
            self.list("needs", &need);
            return Some(format!("needs: {need}"));
        }
        let (_, rest) = what.split_once("no component of this namespace brings the ")?;
        let (kind, rest) = rest.split_once(" `")?;
        let title = format!("{kind}/{}", rest.split('`').next()?);
        self.list("madeOnSite", &title);
        Some(format!("madeOnSite: {title}"))
    }

    /// Adds the objects that exist only at an install or an upgrade, as listed by a message.
    fn add_repeatable(&mut self, next: &str) -> Option<String> {
        let titles = next.split_once("repeatable: [")?.1.split_once(']')?.0.to_owned();
        self.in_chart("repeatable", &titles);
        Some(format!("repeatable: {titles}"))
    }

    /// Lists a hook without a position in the `repeatable` or `leaveOut` list of the chart, as its message suggests.
    fn hook(&mut self, code: &str, what: &str) -> Option<String> {
        if !["LF2085", "LF2088"].contains(&code) {
            return None;
        }
        let is_title = |word: &&str| {
            word.split_once('/').is_some_and(|(kind, name)| {
                kind.starts_with(|first: char| first.is_ascii_uppercase()) && !name.is_empty() && !kind.contains('.')
            })
        };
        let title =
            what.split_whitespace().map(|word| word.trim_end_matches([':', ',', '`'])).find(is_title)?.to_owned();
        let list = if what.contains("alone") && !self.text.contains(&title) { "repeatable" } else { "leaveOut" };
        self.in_chart(list, &title);
        Some(format!("{list}: {title}"))
    }

    fn edit(&mut self, edit: impl FnOnce(&mut Vec<String>)) {
        let mut lines: Vec<String> = self.text.lines().map(str::to_owned).collect();
        edit(&mut lines);
        self.text = lines.join("\n") + "\n";
    }

    /// Sets a field of the component.
    fn field(&mut self, field: &str, value: &str) {
        let start = format!("{field}:");
        self.edit(|lines| match lines.iter_mut().find(|line| line.starts_with(&start)) {
            Some(line) => *line = format!("{start} {value}"),
            None => lines.insert(0, format!("{start} {value}")),
        });
    }

    /// Adds words to a list of the component.
    fn list(&mut self, field: &str, words: &str) {
        let start = format!("{field}: [");
        let known = self.text.lines().find_map(|line| {
            Some(line.strip_prefix(&start)?.split(']').next()?.to_owned()).filter(|known| !known.is_empty())
        });
        let all = known.map_or_else(|| words.to_owned(), |known| format!("{known}, {words}"));
        self.field(field, &format!("[{all}]"));
    }

    /// Adds entries to a field of the component that has one entry per line.
    fn block(&mut self, field: &str, entries: &[String]) {
        let start = format!("{field}:");
        self.edit(|lines| {
            let at = lines.iter().position(|line| line.starts_with(&start)).unwrap_or_else(|| {
                lines.insert(0, start.clone());
                0
            });
            for entry in entries.iter().rev() {
                lines.insert(at + 1, format!("  {entry}"));
            }
        });
    }

    /// Sets a field of the component's chart; a title is added to a list.
    fn in_chart(&mut self, field: &str, value: &str) -> String {
        self.edit(|lines| {
            let Some(at) = lines.iter().position(|line| line.starts_with("chart: {")) else { return };
            let line = lines[at].split("    #").next().unwrap_or_default();
            let line = if line.trim().is_empty() { lines[at].as_str() } else { line };
            let body = line.trim_end().trim_end_matches('}');
            lines[at] = match body.split_once(&format!("{field}: [")) {
                Some((before, after)) => format!("{before}{field}: [{value}, {after}}}"),
                None if field == "lookups" => format!("{body}, {field}: {value}}}"),
                None => format!("{body}, {field}: [{value}]}}"),
            };
        });
        format!("{field}: {value}")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const TEXT: &str = "# The component `shop`, begun by `landfall init`.\nchart: \
        {folder: shop}    # and `values: [FILE, …]`\nneeds: [dns]\npodSecurity: restricted\n\
        secrets:\n  - {name: key, random: {a: 32}}\n";

    #[test]
    fn definition_follows_messages() {
        let mut draft = Draft::new(TEXT.to_owned());
        for error in [
            json!({ "code": "LF2083", "what": "look-up" }),
            json!({ "code": "LF2002", "what": "keys",
                "next": "Write:\n      - {name: key, random: {a: 32, b: 32}}\nThe site." }),
            json!({ "code": "LF2035", "what": "the level `restricted` of its namespace forbids it" }),
            json!({ "code": "LF2012", "what": "image", "next": "or notImages: [\"a/b:1\", \"c/d:1\"] if it is not" }),
            json!({ "code": "LF2088", "what": "shop/templates/a.yaml: Job/migrate: exists at an upgrade alone" }),
            json!({ "code": "LF2009", "what": "x",
                "next": "or list `Issuer/a`, `Role/b` under `leaveOut` of the chart." }),
            json!({ "code": "LF2099", "what": "x", "next": "Add them:\nwithout:\n  probes: FILL-IN\n  proofs: FILL-IN" }),
            json!({ "code": "LF2009", "what": "x", "next": "or list `other` under `namespaces` of the component." }),
        ] {
            assert!(draft.follow(&error).is_some(), "{error}");
        }
        let expected = "namespaces: [other]\nwithout:\n  probes: its chart has none\n  proofs: its chart has none\n\
            notImages: ['a/b:1', 'c/d:1']\n\
            # The component `shop`, begun by `landfall init`.\nchart: \
            {folder: shop, lookups: empty, repeatable: [Job/migrate], leaveOut: [Issuer/a, Role/b]}\nneeds: \
            [dns]\npodSecurity: baseline\nsecrets:\n  - {name: key, random: {a: 32, b: 32}}\n";
        assert_eq!(draft.text, expected);
        assert_eq!(draft.follow(&json!({ "code": "LF2082", "what": "set a host" })), None);
    }
}
