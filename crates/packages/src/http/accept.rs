//! Content negotiation, as specified by PEP 691, npm's registries and RFC 9110.

use crate::limits;

/// The form of a page, with its label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// JSON of version 1.
    Json,
    /// HTML of version 1.
    Html,
    /// HTML without a version, for clients that know no other form.
    PlainHtml,
}

impl Form {
    /// Media type of the form.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/vnd.pypi.simple.v1+json",
            Self::Html => "application/vnd.pypi.simple.v1+html",
            Self::PlainHtml => "text/html; charset=utf-8",
        }
    }
}

impl OfferedForm for Form {
    fn names(self) -> &'static [&'static str] {
        match self {
            Self::Json => &["application/vnd.pypi.simple.v1+json", "application/vnd.pypi.simple.latest+json"],
            Self::Html => &["application/vnd.pypi.simple.v1+html", "application/vnd.pypi.simple.latest+html"],
            Self::PlainHtml => &["text/html"],
        }
    }

    /// JSON is for clients that name it, HTML for clients that accept anything.
    fn rank(self, is_named: bool) -> u8 {
        match (self, is_named) {
            (Self::Json, true) | (Self::PlainHtml, false) => 2,
            (Self::Html, _) => 1,
            (Self::PlainHtml, true) | (Self::Json, false) => 0,
        }
    }
}

/// A form of an npm registry's document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NpmForm {
    /// Only the fields that an installation needs.
    Abbreviated,
    /// All fields of `package.json`.
    Full,
}

impl NpmForm {
    /// Media type of the form.
    pub fn media_type(self) -> &'static str {
        self.names()[0]
    }
}

impl OfferedForm for NpmForm {
    fn names(self) -> &'static [&'static str] {
        match self {
            Self::Abbreviated => &["application/vnd.npm.install-v1+json"],
            Self::Full => &["application/json"],
        }
    }

    fn rank(self, is_named: bool) -> u8 {
        u8::from((self == Self::Abbreviated) == is_named)
    }
}

/// A form that a server offers.
trait OfferedForm: Copy {
    /// Names by which a client requests it, the usual one first.
    fn names(self) -> &'static [&'static str];

    /// Preference among forms that the client wants equally.
    fn rank(self, is_named: bool) -> u8;
}

/// A media range of the header, with its weight in thousandths.
struct MediaRange {
    name: String,
    weight: u16,
}

/// Returns the best form for a client with this `Accept` header, or `None` if it accepts none.
pub fn negotiate(accept: Option<&str>) -> Option<Form> {
    best(&[Form::Json, Form::Html, Form::PlainHtml], accept, Form::PlainHtml)
}

/// Like [`negotiate`], for documents of npm. A client that accepts neither form gets the full one, as from other
/// registries.
pub fn negotiate_npm(accept: Option<&str>) -> NpmForm {
    best(&[NpmForm::Abbreviated, NpmForm::Full], accept, NpmForm::Full).unwrap_or(NpmForm::Full)
}

fn best<F: OfferedForm>(offered: &[F], accept: Option<&str>, usual: F) -> Option<F> {
    let accept = accept.map(str::trim).filter(|accept| !accept.is_empty());
    let Some(accept) = accept else { return Some(usual) };
    let ranges: Vec<MediaRange> = accept.split(',').take(limits::MEDIA_RANGES).filter_map(media_range).collect();
    let wanted = offered.iter().filter_map(|form| {
        let (precision, weight) = preference(*form, &ranges)?;
        (weight > 0).then_some(((weight, precision, form.rank(precision == 2)), *form))
    });
    wanted.max_by_key(|(request, _)| *request).map(|(_, form)| form)
}

/// Returns how exactly the most specific range names a form, and the weight of that range.
fn preference(form: impl OfferedForm, ranges: &[MediaRange]) -> Option<(u8, u16)> {
    let family = form.names()[0].split('/').next().unwrap_or_default();
    let precision = |range: &MediaRange| match range.name.as_str() {
        "*/*" => Some(0),
        name if form.names().contains(&name) => Some(2),
        name if name.strip_suffix("/*") == Some(family) => Some(1),
        _ => None,
    };
    ranges.iter().filter_map(|range| Some((precision(range)?, range.weight))).max()
}

fn media_range(text: &str) -> Option<MediaRange> {
    let mut parts = text.split(';').map(str::trim);
    let name = parts.next()?.to_ascii_lowercase();
    let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
    Some(MediaRange { name, weight: weight.map_or(Some(1000), thousandths)? })
}

/// Parses a weight between 0 and 1 with at most three decimal digits.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, rest) = text.split_once('.').unwrap_or((text, ""));
    if rest.len() > 3 || !rest.bytes().all(|byte| byte.is_ascii_digit()) || !matches!(whole, "0" | "1") {
        return None;
    }
    let weight = whole.parse::<u16>().ok()? * 1000 + format!("{rest:0<3}").parse::<u16>().ok()?;
    (weight <= 1000).then_some(weight)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn preferred_form_is_negotiated() {
        let pip = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html; q=0.1, text/html; q=0.01";
        let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8";
        let table: &[(Option<&str>, Option<Form>)] = &[
            (None, Some(Form::PlainHtml)),
            (Some(""), Some(Form::PlainHtml)),
            (Some("*/*"), Some(Form::PlainHtml)),
            (Some(pip), Some(Form::Json)),
            (Some(browser), Some(Form::PlainHtml)),
            (Some("text/html"), Some(Form::PlainHtml)),
            (Some("application/vnd.pypi.simple.v1+html"), Some(Form::Html)),
            (Some("application/vnd.pypi.simple.latest+json"), Some(Form::Json)),
            (Some("APPLICATION/VND.PYPI.SIMPLE.V1+JSON;Q=1"), Some(Form::Json)),
            (Some("application/*"), Some(Form::Html)),
            (Some("text/*;q=0.5, application/*;q=0.4"), Some(Form::PlainHtml)),
            (Some("*/*, text/html;q=0"), Some(Form::Html)),
            (Some("text/html, application/vnd.pypi.simple.v1+json"), Some(Form::Json)),
            (Some("application/vnd.pypi.simple.v2+json"), None),
            (Some("application/json"), None),
            (Some("text/html;q=0"), None),
            (Some("text/html;q=2"), None),
            (Some("text/html;q=0.0001"), None),
        ];
        for (accept, wanted) in table {
            assert_eq!(negotiate(*accept), *wanted, "{accept:?}");
        }
    }

    #[test]
    fn preferred_npm_form_is_negotiated() {
        let npm = "application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8, */*";
        let table: &[(Option<&str>, NpmForm)] = &[
            (None, NpmForm::Full),
            (Some(npm), NpmForm::Abbreviated),
            (Some("application/vnd.npm.install-v1+json"), NpmForm::Abbreviated),
            (Some("application/json"), NpmForm::Full),
            (Some("application/json; q=0.8, application/vnd.npm.install-v1+json"), NpmForm::Abbreviated),
            (Some("*/*"), NpmForm::Full),
            (Some("application/*"), NpmForm::Full),
            (Some("text/html"), NpmForm::Full),
        ];
        for (accept, wanted) in table {
            assert_eq!(negotiate_npm(*accept), *wanted, "{accept:?}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_accept_headers_never_panic(accept in "\\PC{0,200}|[a-z*/;,=q0-9. +-]{0,200}") {
            let _some_or_none = negotiate(Some(&accept));
            let _form = negotiate_npm(Some(&accept));
        }
    }
}
