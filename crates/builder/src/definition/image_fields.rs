//! The release's table of fields that hold images.

use landfall_error_codes::codes;
use serde::Deserialize;
use serde_saphyr::Spanned;

use super::{Release, Sources};
use crate::error::{BuildError, Result};

/// A field of rendered objects that holds an image and is missing in Landfall's own table.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageFieldDefinition {
    /// API group of the objects, such as `apps`; empty for Kubernetes' core group.
    #[serde(default)]
    pub group: String,
    /// Kind of the objects.
    pub kind: String,
    /// Name of the object; if absent, every object of the kind.
    #[serde(default)]
    pub name: Option<String>,
    /// JSON Pointer (RFC 6901) of the field. `*` stands for any one segment, and `[name=NAME]` for the element of a
    /// list whose `name` is NAME.
    pub path: Spanned<String>,
    /// Text before the image, such as `--reloader-image=`; if absent, the whole text is the image. A text with another
    /// beginning is not an image.
    #[serde(default)]
    pub prefix: Option<String>,
}

/// Returns an error for an invalid path.
pub fn check(sources: &Sources, release: &Release) -> Result<()> {
    for (index, field) in release.image_fields.iter().enumerate() {
        let written = &field.path.value;
        let place = || sources.place(field.path.referenced, format!("imageFields[{index}].path"));
        let refuse = |what: String| Err(BuildError::at(codes::RELEASE_INVALID, place(), what));
        let Some(segments) = written.strip_prefix('/') else {
            return refuse(format!("`{written}` is not a JSON Pointer: it begins with `/`"));
        };
        let is_good = |segment: &str| !segment.is_empty() && (!segment.starts_with('[') || name_in(segment).is_some());
        if let Some(segment) = segments.split('/').find(|segment| !is_good(segment)) {
            let what = format!("`{written}` has the segment `{segment}`: write a key, a number, `*` or `[name=NAME]`");
            return refuse(what);
        }
    }
    Ok(())
}

/// The name in a segment `[name=NAME]`, which selects the element of a list with this name.
pub fn name_in(segment: &str) -> Option<&str> {
    segment.strip_prefix("[name=")?.strip_suffix(']').filter(|name| !name.is_empty())
}
