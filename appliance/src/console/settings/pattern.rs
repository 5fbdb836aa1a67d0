//! Description of a setting's pattern for people. The most common patterns are described in words; for others an
//! example is shown.

/// Ranges of letters, with their names.
const RANGES: [(&str, &str); 5] = [
    ("A-Z", "capital letters"),
    ("a-z", "small letters"),
    ("0-9", "digits"),
    ("a-f", "letters a to f"),
    ("A-F", "letters A to F"),
];

/// Describes the required form of a text, for people who do not read regular expressions. The examples are values of
/// the release itself.
pub(super) fn in_words(pattern: &str, examples: &[&str]) -> String {
    let inner = pattern.strip_prefix('^').and_then(|rest| rest.strip_suffix('$'));
    let known = inner.and_then(|inner| choice(inner).or_else(|| amount(inner)).or_else(|| letters(inner)));
    let example = examples.iter().find(|example| !example.is_empty());
    match (known, example) {
        (Some(known), _) => known,
        (None, Some(example)) => format!("In the same form as {example}"),
        (None, None) => "In a form of its own, which the vendor describes".to_owned(),
    }
}

/// Describes `(a|b|c)`: one of some words.
fn choice(inner: &str) -> Option<String> {
    words(inner).map(|words| format!("One of {}", join_words(&words, "or")))
}

/// Describes `[1-9][0-9]*(Mi|Gi)`: an integer with a unit.
fn amount(inner: &str) -> Option<String> {
    const WHOLE: [(&str, &str); 6] = [
        ("[1-9][0-9]*", "from 1"),
        ("[1-9]\\d*", "from 1"),
        ("[0-9]+", ""),
        ("\\d+", ""),
        ("(0|[1-9][0-9]*)", ""),
        ("(?:0|[1-9][0-9]*)", ""),
    ];
    let (rest, least) = WHOLE.iter().find_map(|(number, least)| Some((inner.strip_prefix(number)?, *least)))?;
    let number = format!("A whole number {least}");
    let number = number.trim_end();
    if rest.is_empty() {
        return Some(number.to_owned());
    }
    let units = words(rest).or_else(|| is_plain(rest).then(|| vec![rest]))?;
    Some(format!("{number} with {} behind it, such as 1{}", join_words(&units, "or"), units[0]))
}

/// Describes `[a-z0-9-]+`: some kinds of letters.
fn letters(inner: &str) -> Option<String> {
    let class = inner.strip_prefix('[')?;
    let (class, count) = class.split_once(']')?;
    let count = match count {
        "+" | "" => String::new(),
        "*" => " or nothing".to_owned(),
        bounded => {
            let bounds = bounded.strip_prefix('{')?.strip_suffix('}')?;
            match bounds.split_once(',') {
                None => format!(", {bounds} of them"),
                Some((least, "")) => format!(", at least {least}"),
                Some((least, most)) => format!(", {least} to {most}"),
            }
        }
    };
    if class.starts_with('^') || class.contains('\\') {
        return None;
    }
    let mut rest = class.to_owned();
    let mut kinds = Vec::new();
    for (range, name) in RANGES {
        if rest.contains(range) {
            rest = rest.replace(range, "");
            kinds.push(name.to_owned());
        }
    }
    let is_sign = |sign: char| sign.is_ascii_punctuation();
    // The rest of `a-b` would be read as three characters.
    if rest.trim_matches('-').contains('-') || !rest.chars().all(|sign| is_sign(sign) || sign == ' ') {
        return None;
    }
    kinds.extend(rest.chars().map(|sign| if sign == ' ' { "spaces".to_owned() } else { sign.to_string() }));
    let kinds: Vec<_> = kinds.iter().map(String::as_str).collect();
    let listed = (!kinds.is_empty()).then(|| join_words(&kinds, "and"))?;
    let mut said = listed.chars();
    let first = said.next().map(|letter| letter.to_ascii_uppercase())?;
    Some(format!("{first}{}{count}", said.as_str()))
}

/// Returns the words of `(a|b|c)`; `None` if it contains anything else.
fn words(group: &str) -> Option<Vec<&str>> {
    let inner = group.strip_prefix('(')?.strip_suffix(')')?;
    let words: Vec<_> = inner.strip_prefix("?:").unwrap_or(inner).split('|').collect();
    words.iter().all(|word| is_plain(word)).then_some(words)
}

/// Returns true if a text matches only itself in a pattern.
fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|letter| letter.is_alphanumeric() || matches!(letter, '-' | '_' | '%' | ' '))
}

fn join_words(words: &[&str], last: &str) -> String {
    match words {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., end] => format!("{} {last} {end}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_become_words() {
        for (pattern, said) in [
            ("^[1-9][0-9]*(Mi|Gi|Ti)$", "A whole number from 1 with Mi, Gi or Ti behind it, such as 1Mi"),
            ("^[1-9][0-9]*m$", "A whole number from 1 with m behind it, such as 1m"),
            ("^[0-9]+$", "A whole number"),
            ("^(debug|info)$", "One of debug or info"),
            ("^(?:a|b|c)$", "One of a, b or c"),
            ("^[a-z0-9-]+$", "Small letters, digits and -"),
            ("^[A-Za-z0-9_.]{1,63}$", "Capital letters, small letters, digits, _ and ., 1 to 63"),
        ] {
            assert_eq!(in_words(pattern, &["example"]), said, "{pattern}");
        }
    }

    #[test]
    fn wordless_pattern_shows_example() {
        for pattern in
            ["^https?://[^/]+$", "^(a|b+)$", "[0-9]+", "^[^x]+$", "^[a-c]+$", "^[0-9]+(\\.[0-9]+)?$", "^(?=.*[A-Z]).+$"]
        {
            assert_eq!(in_words(pattern, &["", "https://x"]), "In the same form as https://x", "{pattern}");
            assert_eq!(in_words(pattern, &[]), "In a form of its own, which the vendor describes", "{pattern}");
        }
    }
}
