//! Whether two texts are one version of a package, in another spelling, as PEP 440 has them.

/// Other words for the same, and the word that both become.
const ALIASES: [(&str, &str); 8] = [
    ("alpha", "a"),
    ("beta", "b"),
    ("c", "rc"),
    ("pre", "rc"),
    ("preview", "rc"),
    ("rev", "post"),
    ("r", "post"),
    ("v", ""),
];

/// Whether they are the same version: `1.0` and `1.0.0`, `2.0-RC_1` and `2.0rc1`. File names have `_` where versions have `-`.
pub fn is_same(one: &str, other: &str) -> bool {
    key(one) == key(other)
}

/// The epoch, the numbers of the release without zeros at the end, the rest of the public version, and the local one.
fn key(version: &str) -> [Vec<String>; 4] {
    let version = version.to_ascii_lowercase();
    let (public, local) = version.split_once('+').unwrap_or((&version, ""));
    let (epoch, public) = public.split_once('!').unwrap_or(("0", public));
    let mut words = words(public);
    let numbers = words.iter().take_while(|word| word.as_bytes()[0].is_ascii_digit()).count();
    let rest = words.split_off(numbers);
    while words.len() > 1 && words.last().is_some_and(|word| word == "0") {
        words.pop();
    }
    [self::words(epoch), words, rest, self::words(local)]
}

/// Runs of digits without leading zeros, and runs of letters under their usual word; what is between separates them.
fn words(text: &str) -> Vec<String> {
    let runs = text.as_bytes().chunk_by(|one, next| kind(*one) == kind(*next));
    let words = runs.filter(|run| kind(run[0]) != Kind::Between).map(|run| {
        let word = String::from_utf8_lossy(run);
        if run[0].is_ascii_digit() {
            let plain = word.trim_start_matches('0');
            return if plain.is_empty() { "0".to_owned() } else { plain.to_owned() };
        }
        let alias = ALIASES.iter().find(|(from, _)| *from == word);
        alias.map_or_else(|| word.to_string(), |(_, to)| (*to).to_owned())
    });
    words.filter(|word| !word.is_empty()).collect()
}

#[derive(PartialEq, Eq)]
enum Kind {
    Digits,
    Letters,
    Between,
}

fn kind(byte: u8) -> Kind {
    match byte {
        b'0'..=b'9' => Kind::Digits,
        b'.' | b'-' | b'_' => Kind::Between,
        _ => Kind::Letters,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn spellings_of_one_version_are_the_same() {
        let same = [
            ("1.0", "1.0.0"),
            ("v2.1", "2.1"),
            ("2024.01.1", "2024.1.1"),
            ("2.0-RC_1", "2.0rc1"),
            ("1.0.alpha.2", "1.0a2"),
            ("2.9.1+cu128", "2.9.1+CU128"),
            ("1.0+ubuntu_1", "1.0+ubuntu.1"),
            ("1!1.0", "1!1"),
            ("1.0.post1", "1.0-r1"),
        ];
        for (one, other) in same {
            assert!(is_same(one, other), "{one} and {other}");
        }
        let different =
            [("1.0", "1.1"), ("1.0", "1.0.dev0"), ("1.0", "1.0+cpu"), ("1!1", "1"), ("1.0rc1", "1.0b1"), ("10", "1")];
        for (one, other) in different {
            assert!(!is_same(one, other), "{one} and {other}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_compared_there_is_an_answer(one in "\\PC{0,30}", other in "[0-9a-z.+!_-]{0,30}") {
            prop_assert!(is_same(&one, &one));
            prop_assert_eq!(is_same(&one, &other), is_same(&other, &one));
        }
    }
}
