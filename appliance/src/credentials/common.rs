//! Common passwords by rules: a few roots that concern this product or several languages, with the usual modifications.

/// Words from which people build passwords.
const ROOTS: &[&str] = &[
    "password",
    "passwort",
    "passphrase",
    "passcode",
    "secret",
    "login",
    "signin",
    "welcome",
    "willkommen",
    "letmein",
    "changeme",
    "change",
    "default",
    "admin",
    "administrator",
    "root",
    "user",
    "guest",
    "test",
    "testing",
    "temp",
    "temporary",
    "demo",
    "example",
    "sample",
    "operator",
    "viewer",
    "console",
    "appliance",
    "landfall",
    "kubernetes",
    "docker",
    "linux",
    "server",
    "system",
    "master",
    "super",
    "access",
    "open",
    "please",
    "trustno",
    "iloveyou",
    "love",
    "sunshine",
    "princess",
    "dragon",
    "monkey",
    "football",
    "baseball",
    "soccer",
    "hockey",
    "superman",
    "batman",
    "starwars",
    "shadow",
    "freedom",
    "whatever",
    "qwerty",
    "qwertz",
    "azerty",
    "asdf",
    "zxcv",
    "correct",
    "horse",
    "battery",
    "staple",
    "company",
    "office",
    "work",
    "home",
    "spring",
    "summer",
    "autumn",
    "winter",
    "january",
    "february",
    "march",
    "april",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
    "monday",
    "friday",
    "sunday",
    "my",
    "the",
    "your",
    "is",
    "new",
    "old",
    "this",
    "abc",
    "xyz",
];

/// Rows of keyboards and of the alphabet, along which people type.
const WALKS: &[&str] = &[
    "abcdefghijklmnopqrstuvwxyz",
    "01234567890123456789",
    "qwertyuiop",
    "qwertzuiop",
    "azertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "yxcvbnm",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm",
    "!@#$%^&*()",
];

/// Minimum number of characters that must remain after everything common was removed.
const UNCOMMON: usize = 4;

/// Returns why a password is common, if it is.
pub fn reason(password: &str, name: &str) -> Option<&'static str> {
    let plain = plain(password);
    let mut kinds: Vec<char> = plain.chars().collect();
    kinds.sort_unstable();
    kinds.dedup();
    if kinds.len() < 5 {
        return Some("it repeats a few characters");
    }
    let name = self::plain(name);
    if name.chars().count() > 2 && plain.contains(&name) && remainder(&plain.replace(&name, "")) < UNCOMMON {
        return Some("it is built from the user name");
    }
    let is_common = remainder(&plain) < UNCOMMON || remainder(&password.to_lowercase()) < UNCOMMON;
    is_common.then_some("it is built from words and rows of keys that are guessed first")
}

/// Returns lower-case letters, with digits and symbols converted to the letters that they stand for.
fn plain(text: &str) -> String {
    let letter = |character| match character {
        '@' | '4' => 'a',
        '3' => 'e',
        '0' => 'o',
        '$' | '5' => 's',
        '7' => 't',
        '!' => 'i',
        other => other,
    };
    text.to_lowercase().chars().map(letter).collect()
}

/// Returns the number of letters that remain without roots, rows, digits and symbols.
fn remainder(plain: &str) -> usize {
    let mut rest = plain.to_owned();
    let mut roots: Vec<_> = ROOTS.to_vec();
    roots.sort_by_key(|root| std::cmp::Reverse(root.len()));
    for root in roots {
        rest = rest.replace(root, " ");
    }
    for walk in WALKS {
        let backwards: String = walk.chars().rev().collect();
        for row in [*walk, &backwards] {
            rest = without_walks(&rest, row);
        }
    }
    rest.chars().filter(|character| character.is_alphabetic()).count()
}

/// Removes sequences of four or more characters that follow a row.
fn without_walks(text: &str, row: &str) -> String {
    let mut rest = text.to_owned();
    let row: Vec<char> = row.chars().collect();
    for length in (4..=row.len()).rev() {
        for stretch in row.windows(length) {
            rest = rest.replace(&stretch.iter().collect::<String>(), " ");
        }
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::reason;

    #[test]
    fn first_guesses_are_common() {
        for password in [
            "password1234",
            "P@ssw0rd2026!",
            "Welcome2026!!",
            "qwertyuiop12",
            "1qaz2wsx3edc",
            "aaaaaaaaaaaa",
            "abcabcabcabc",
            "123456789012",
            "LandfallAdmin1",
            "Summer2026!Summer",
            "correcthorsebatterystaple",
            "alice-alice-2026",
            "changeme-changeme",
            "zyxwvutsrqpo",
            "iloveyou12345",
        ] {
            assert!(reason(password, "alice").is_some(), "{password}");
        }
    }

    #[test]
    fn uncommon_passwords_pass() {
        for password in
            ["gravel tuba cinnamon orbit", "x9!Kq-mV2#pLw7", "Der Zug nach Ulm hält nie", "velvet-anchor-93-puffin"]
        {
            assert_eq!(reason(password, "alice"), None, "{password}");
        }
    }
}
