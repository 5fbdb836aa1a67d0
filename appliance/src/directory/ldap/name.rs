//! Distinguished names (RFC 4514), read so that two ways to write one are the same and two different ones never are.

/// A name as it is compared: its parts from the entry to the root, each with its attributes in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name(Vec<Vec<(String, String)>>);

impl Name {
    /// Reads a name. None where it is none, or has a part that this does not know how to compare.
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

    /// Whether two texts write the same name. What is no name is the same as nothing.
    pub fn is_same(one: &str, other: &str) -> bool {
        Self::read(one).is_some_and(|one| Self::read(other) == Some(one))
    }
}

type Letters<'a> = std::iter::Peekable<std::str::Chars<'a>>;

/// The kind of an attribute, up to its `=`.
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

/// A value up to the next separator, without its escapes, as directories compare it: letters of either case are the same, and so are
/// one space and several.
fn value(letters: &mut Letters<'_>) -> Option<(String, Option<char>)> {
    // Whether a letter was escaped matters for spaces at the ends, which otherwise do not count.
    let mut bytes: Vec<u8> = Vec::new();
    let mut kept = 0;
    let end = loop {
        match letters.next() {
            None => break None,
            Some(separator @ (',' | ';' | '+')) => break Some(separator),
            Some('\\') => {
                escaped(letters, &mut bytes)?;
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

/// What follows a backslash: a sign, or two hexadecimal digits.
fn escaped(letters: &mut Letters<'_>, bytes: &mut Vec<u8>) -> Option<()> {
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
    fn ways_to_write_one_name_are_the_same() {
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
    fn another_name_is_never_the_same() {
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
        assert!(!Name::is_same("", "") && !Name::is_same("x", "x"), "what is no name is the same as nothing");
    }

    proptest! {
        #[test]
        fn an_escaped_value_stays_one_part(value in "[ -~äß]{1,20}") {
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
