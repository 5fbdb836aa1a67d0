//! Distinguished names (RFC 4514), normalized so that two spellings of one name are equal, and two different names
//! never are.

/// A name in comparable form: its parts from the entry to the root, each with its attributes in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name(Vec<Vec<(String, String)>>);

impl Name {
    /// Parses a name; `None` if it is malformed, or has a part whose comparison is not supported.
    pub fn read(text: &str) -> Option<Self> {
        let mut letters = text.chars().peekable();
        let mut parts = vec![Vec::new()];
        loop {
            let kind = attribute(&mut letters)?;
            let (value, end) = value(&mut letters)?;
            parts.last_mut()?.push((kind, value));
            match end {
                None => break,
                Some('+') => {}
                Some(_) => parts.push(Vec::new()),
            }
        }
        for part in &mut parts {
            part.sort();
        }
        Some(Self(parts))
    }

    /// Returns true if two texts spell the same name. A malformed name equals nothing.
    pub fn is_same(one: &str, other: &str) -> bool {
        Self::read(one).is_some_and(|one| Self::read(other) == Some(one))
    }
}

type Letters<'a> = std::iter::Peekable<std::str::Chars<'a>>;

/// Reads the type of an attribute, up to its `=`.
fn attribute(letters: &mut Letters<'_>) -> Option<String> {
    let mut kind = String::new();
    loop {
        match letters.next()? {
            '=' => break,
            letter => kind.push(letter.to_ascii_lowercase()),
        }
    }
    let kind = kind.trim().to_owned();
    let is_kind =
        !kind.is_empty() && kind.chars().all(|letter| letter.is_ascii_alphanumeric() || "-.".contains(letter));
    is_kind.then_some(kind)
}

/// Reads a value up to the next separator, without its escapes, normalized as directories compare it:
/// case-insensitively, and with runs of spaces as one.
fn value(letters: &mut Letters<'_>) -> Option<(String, Option<char>)> {
    // Escaping matters for spaces at the ends, which are otherwise ignored.
    let mut bytes: Vec<u8> = Vec::new();
    let mut kept = 0;
    let end = loop {
        match letters.next() {
            None => break None,
            Some(separator @ (',' | ';' | '+')) => break Some(separator),
            Some('\\') => {
                read_escape(letters, &mut bytes)?;
                kept = bytes.len();
            }
            Some('"' | '<' | '>' | '\0') => return None,
            Some('#') if bytes.is_empty() => return None,
            Some(' ') if bytes.is_empty() => {}
            Some(letter) => {
                bytes.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
                if letter != ' ' {
                    kept = bytes.len();
                }
            }
        }
    };
    bytes.truncate(kept);
    let value = String::from_utf8(bytes).ok().filter(|value| !value.is_empty())?;
    let words: Vec<_> = value.to_lowercase().split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect();
    Some((words.join(" "), end))
}

/// Reads what follows a backslash: a character, or two hexadecimal digits.
fn read_escape(letters: &mut Letters<'_>, bytes: &mut Vec<u8>) -> Option<()> {
    let first = letters.next()?;
    if let Some(high) = first.to_digit(16) {
        let low = letters.next()?.to_digit(16)?;
        bytes.push(u8::try_from(high * 16 + low).ok()?);
        return Some(());
    }
    if !" \"#+,;<=>\\".contains(first) {
        return None;
    }
    bytes.extend_from_slice(first.encode_utf8(&mut [0; 4]).as_bytes());
    Some(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ADMINS: &str = "cn=admins,ou=groups,dc=example,dc=org";

    #[test]
    fn spellings_of_name_are_equal() {
        for same in [
            ADMINS,
            "CN=Admins,OU=Groups,DC=Example,DC=org",
            " cn = admins , ou=groups,dc=example, dc=org ",
            "cn=admins;ou=groups;dc=example;dc=org",
            r"cn=\61dmins,ou=groups,dc=example,dc=org",
            r"cn=adm\69ns,ou=groups,dc=ex\61mple,dc=org",
        ] {
            assert!(Name::is_same(ADMINS, same), "{same}");
        }
        assert!(Name::is_same("cn=a+uid=b,dc=x", "uid=b+cn=a,dc=x"));
        assert!(Name::is_same(r"cn=Müller\, Anna,dc=x", r"cn=m\C3\BCller\2C  anna,dc=x"));
    }

    #[test]
    fn different_names_are_unequal() {
        for other in [
            "",
            "admins",
            "cn=admins",
            "cn=admins,ou=groups,dc=example",
            "cn=admins,ou=groups,dc=example,dc=org,dc=evil",
            "cn=x,cn=admins,ou=groups,dc=example,dc=org",
            "uid=admins,ou=groups,dc=example,dc=org",
            r"cn=admins\,ou\=groups\,dc\=example\,dc\=org",
            r"cn=admins\,ou\=groups,dc=example,dc=org",
            r"cn=cn\=admins\,ou\=groups\,dc\=example\,dc\=org,ou=evil,dc=example,dc=org",
            "cn=admins+ou=groups,dc=example,dc=org",
            "cn=admins\0,ou=groups,dc=example,dc=org",
            r"cn=admins\",
            r"cn=admins\6,ou=groups,dc=example,dc=org",
            "cn=#61646d696e73,ou=groups,dc=example,dc=org",
            "cn=\"admins\",ou=groups,dc=example,dc=org",
            "cn=admins,ou=groups,,dc=example,dc=org",
            "=admins,ou=groups,dc=example,dc=org",
        ] {
            assert!(!Name::is_same(ADMINS, other), "{other}");
        }
        assert!(!Name::is_same("", "") && !Name::is_same("x", "x"), "an invalid name equals itself");
    }

    proptest! {
        #[test]
        fn escaped_value_stays_one_part(value in "[ -~äß]{1,20}") {
            let escaped = ldap3::dn_escape(value.as_str());
            if let Some(Name(parts)) = Name::read(&format!("cn={escaped},dc=x")) {
                prop_assert_eq!(parts.len(), 2);
                prop_assert_eq!(parts[0].len(), 1);
            }
        }

        #[test]
        fn no_text_panics(text in ".{0,80}") {
            let _read = Name::read(&text);
        }
    }
}
