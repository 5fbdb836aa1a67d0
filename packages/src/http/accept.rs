//! Content negotiation, as PEP 691 and RFC 9110 have it.

use crate::limits;

/// A form of a page, and how it is labeled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// JSON of version 1.
    Json,
    /// HTML of version 1.
    Html,
    /// HTML without a version, for what knows no other.
    PlainHtml,
}

impl Form {
    const ALL: [Self; 3] = [Self::Json, Self::Html, Self::PlainHtml];

    /// Its media type.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/vnd.pypi.simple.v1+json",
            Self::Html => "application/vnd.pypi.simple.v1+html",
            Self::PlainHtml => "text/html; charset=utf-8",
        }
    }

    /// Names by which a client asks for it.
    fn names(self) -> &'static [&'static str] {
        match self {
            Self::Json => &["application/vnd.pypi.simple.v1+json", "application/vnd.pypi.simple.latest+json"],
            Self::Html => &["application/vnd.pypi.simple.v1+html", "application/vnd.pypi.simple.latest+html"],
            Self::PlainHtml => &["text/html"],
        }
    }

    /// How much it is preferred among forms that the client wants equally: JSON by who names it, HTML by who takes anything.
    fn rank(self, is_named: bool) -> u8 {
        match (self, is_named) {
            (Self::Json, true) | (Self::PlainHtml, false) => 2,
            (Self::Html, _) => 1,
            (Self::PlainHtml, true) | (Self::Json, false) => 0,
        }
    }
}

/// One media range of the header, with its weight in thousandths.
struct MediaRange {
    name: String,
    weight: u16,
}

/// The form that suits a client with this `Accept` header best; none where it takes none of them.
pub fn negotiate(accept: Option<&str>) -> Option<Form> {
    let accept = accept.map(str::trim).filter(|accept| !accept.is_empty());
    let Some(accept) = accept else { return Some(Form::PlainHtml) };
    let ranges: Vec<MediaRange> = accept.split(',').take(limits::MEDIA_RANGES).filter_map(media_range).collect();
    let wanted = Form::ALL.into_iter().filter_map(|form| {
        let (precision, weight) = preference(form, &ranges)?;
        (weight > 0).then_some(((weight, precision, form.rank(precision == 2)), form))
    });
    wanted.max_by_key(|(wish, _)| *wish).map(|(_, form)| form)
}

/// How exactly the most exact range names a form, and the weight of that range.
fn preference(form: Form, ranges: &[MediaRange]) -> Option<(u8, u16)> {
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

/// A weight between 0 and 1 with three digits at most.
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
    fn clients_get_the_form_that_they_want_most() {
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

    proptest! {
        #[test]
        fn whatever_a_client_sends_there_is_an_answer(accept in "\\PC{0,200}|[a-z*/;,=q0-9. +-]{0,200}") {
            let _some_or_none = negotiate(Some(&accept));
        }
    }
}
