//! Text about the images that `landfall lock` found in a release.

use landfall_builder::{AddedImage, ImageInDoubt, LockFindings, UnlistedImage, UnrenderedComponent, UnusedEntry};
use landfall_error_codes::codes;

/// A line for each finding: first additions, then decisions for a person, then remarks.
pub(super) fn lines(found: &LockFindings) -> Vec<String> {
    let added = found.added.iter().map(|AddedImage { reference, digest, used_by }| {
        format!("added {reference}, {digest} ({})", used_by.join(", "))
    });
    let unlisted = found.unlisted.iter().map(|UnlistedImage { used_by, problem }| {
        format!("not added, and `landfall build` needs it: an image of {used_by}: {problem}")
    });
    let in_doubt = found.in_doubt.iter().map(|ImageInDoubt { component, object, path, text }| {
        format!("not added: `{text}` looks like an image, in {object} of {component} at {path}")
    });
    let unrendered = found.unrendered.iter().map(|UnrenderedComponent { component, problem }| {
        format!("not looked at: the component {component}: {problem}")
    });
    let unused = found
        .unused
        .iter()
        .map(|UnusedEntry { kind, entry }| format!("not used by this release, and kept: {} {entry}", kind.noun()));
    added.chain(unlisted).chain(in_doubt).chain(advice(found)).chain(unrendered).chain(unused).collect()
}

/// Hint for texts that resemble images.
fn advice(found: &LockFindings) -> Option<String> {
    let code = codes::REFERENCE_UNDECLARED.id;
    let advice = || {
        format!(
            "declare what looks like an image under `imageFields` or `references` if it is one, else under \
             `notImages`: `landfall build` refuses it until then ({code})"
        )
    };
    (!found.in_doubt.is_empty()).then(advice)
}

#[cfg(test)]
mod tests {
    use landfall_builder::ChangedKind;

    use super::*;

    #[test]
    fn added_images_precede_unused() {
        let digest = format!("sha256:{}", "07".repeat(32));
        let found = LockFindings {
            added: vec![AddedImage {
                reference: "docker.io/library/python:3.14".to_owned(),
                digest: digest.parse().expect("digest"),
                used_by: vec!["hello".to_owned(), "jobs".to_owned()],
            }],
            unused: vec![UnusedEntry { kind: ChangedKind::Image, entry: "docker.io/library/python:3.13".to_owned() }],
            unlisted: vec![UnlistedImage {
                used_by: "web".to_owned(),
                problem: "web.yaml: `redis` names none".to_owned(),
            }],
            in_doubt: vec![ImageInDoubt {
                component: "web".to_owned(),
                object: "Deployment/web".to_owned(),
                path: "/spec/args/0".to_owned(),
                text: "quay.io/a/reloader:v1".to_owned(),
            }],
            unrendered: vec![UnrenderedComponent {
                component: "search".to_owned(),
                problem: "LF2086: values are needed".to_owned(),
            }],
        };
        let expected = [
            format!("added docker.io/library/python:3.14, {digest} (hello, jobs)"),
            "not added, and `landfall build` needs it: an image of web: web.yaml: `redis` names none".to_owned(),
            "not added: `quay.io/a/reloader:v1` looks like an image, in Deployment/web of web at /spec/args/0"
                .to_owned(),
            "declare what looks like an image under `imageFields` or `references` if it is one, else under \
             `notImages`: `landfall build` refuses it until then (LF2008)"
                .to_owned(),
            "not looked at: the component search: LF2086: values are needed".to_owned(),
            "not used by this release, and kept: image docker.io/library/python:3.13".to_owned(),
        ];
        assert_eq!(lines(&found), expected);
        assert!(lines(&LockFindings::default()).is_empty());
    }
}
