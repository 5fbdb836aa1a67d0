//! Choice of the CEL expressions to evaluate. Their length and depth are limited, and they call only functions that the
//! corpus compares with a real API server.

/// Maximum size of an expression in bytes; the longest ones of known operators have a quarter of it.
pub(super) const BYTES: usize = 8192;

/// Maximum nesting of brackets in an expression.
pub(super) const DEPTH: usize = 64;

/// Functions and macros of which the corpus has a case. Functions that the interpreter evaluates differently from an
/// API server are left out (`url`, `type`, optional values). Those that can take any amount of memory are also left out
/// (`lists.range`).
const FUNCTIONS: [&str; 39] = [
    "all",
    "cidr",
    "compareTo",
    "contains",
    "containsIP",
    "dns1123Label",
    "dns1123Subdomain",
    "duration",
    "endsWith",
    "exists",
    "exists_one",
    "family",
    "filter",
    "getHours",
    "has",
    "hasValue",
    "indexOf",
    "int",
    "ip",
    "isCIDR",
    "isGreaterThan",
    "isIP",
    "isLessThan",
    "isQuantity",
    "isSorted",
    "isURL",
    "lowerAscii",
    "map",
    "matches",
    "max",
    "min",
    "quantity",
    "size",
    "split",
    "startsWith",
    "string",
    "sum",
    "timestamp",
    "validate",
];

/// Variable with the previous state of the object, which a new object lacks.
const FORMER: &str = "oldSelf";

/// Returns true if an expression must be evaluated.
pub(super) fn is_judged(text: &str) -> bool {
    if text.is_empty() || text.len() > BYTES {
        return false;
    }
    let Some(code) = without_texts(text) else { return false };
    // `in` before a bracket is an operator.
    let is_known = |word: &str| word == "in" || FUNCTIONS.contains(&word);
    let mut words = words(&code);
    deepest(&code) <= DEPTH
        && words.all(|(word, rest)| word != FORMER && (is_known(word) || !rest.trim_start().starts_with('(')))
}

/// Returns the expression with its texts emptied; `None` if one does not end.
fn without_texts(text: &str) -> Option<String> {
    let (mut code, mut rest) = (String::new(), text);
    while let Some(at) = rest.find(['\'', '"']) {
        let before = &rest[..at];
        code.push_str(before);
        let is_raw =
            before.ends_with(['r', 'R']) && !before.trim_end_matches(['r', 'R']).ends_with(char::is_alphanumeric);
        let single = &rest[at..=at];
        let triple = single.repeat(3);
        let quote = if rest[at..].starts_with(&triple) { triple.as_str() } else { single };
        rest = after_text(&rest[at + quote.len()..], quote, is_raw)?;
        code.push_str("''");
    }
    code.push_str(rest);
    Some(code)
}

/// Returns the rest after a text that ends with this quote.
fn after_text<'a>(text: &'a str, quote: &str, is_raw: bool) -> Option<&'a str> {
    let mut rest = text;
    loop {
        if let Some(after) = rest.strip_prefix(quote) {
            return Some(after);
        }
        let mut characters = rest.chars();
        if characters.next()? == '\\' && !is_raw {
            characters.next()?;
        }
        rest = characters.as_str();
    }
}

/// The words of an expression, each with the rest after it.
fn words(code: &str) -> impl Iterator<Item = (&str, &str)> {
    let is_part = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let mut rest = code;
    std::iter::from_fn(move || {
        let from = rest.find(is_part)?;
        let word = &rest[from..];
        let end = word.find(|character| !is_part(character)).unwrap_or(word.len());
        rest = &word[end..];
        Some((&word[..end], rest))
    })
}

fn deepest(code: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    for byte in code.bytes() {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_corpus_functions_are_judged() {
        for judged in [
            "self > 0",
            "self.all(h, h.matches('^url(x)$')) && !(self in ['a', \"type(b)\"])",
            "self.a in (self.b ? [1] : [2])",
            r#"self.value.matches(r"""^(?:[-A-Z'()*]|[%])+\""")"#,
            r"self.matches('it\'s (fine)')",
            "!format.dns1123Label().validate(self).hasValue()",
            "!has(self.url) || self.url == ''",
        ] {
            assert!(is_judged(judged), "{judged}");
        }
        for left in [
            "url(self).getHost() == ''",
            "type(self) == int",
            "lists.range(1000000000000).size() > 0",
            "self . sortBy (x, x) == self",
            "self == oldSelf",
            "self.a == 'it",
            "self.?a.orValue(1) > 0",
            "",
        ] {
            assert!(!is_judged(left), "{left}");
        }
    }

    #[test]
    fn functions_occur_in_corpus() {
        let (definition, _) = crate::corpus::cases_of_rules();
        let corpus = definition.to_string();
        let missing: Vec<_> = FUNCTIONS.iter().filter(|name| !corpus.contains(&format!("{name}("))).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
}
