//! Parsed references of images, such as `registry.k8s.io/etcd:3.7.3-0`.

/// A full upstream reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reference<'a> {
    /// Upstream's host, with its port if given.
    pub host: &'a str,
    /// Host and path.
    pub repository: &'a str,
    /// Tag, if given.
    pub tag: Option<&'a str>,
}

impl<'a> Reference<'a> {
    /// Parses a reference; a digest at its end is ignored.
    pub fn of(reference: &'a str) -> Self {
        let named = reference.split_once('@').map_or(reference, |(named, _)| named);
        // A colon before the last slash belongs to the host's port.
        let name_begins = named.rfind('/').map_or(0, |slash| slash + 1);
        let (repository, tag) = match named[name_begins..].find(':') {
            Some(colon) => (&named[..name_begins + colon], Some(&named[name_begins + colon + 1..])),
            None => (named, None),
        };
        Self { host: repository.split('/').next().unwrap_or_default(), repository, tag }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_split() {
        let of = |text| {
            let Reference { host, repository, tag } = Reference::of(text);
            (host, repository, tag)
        };
        assert_eq!(of("registry.k8s.io/etcd:3.7.3-0"), ("registry.k8s.io", "registry.k8s.io/etcd", Some("3.7.3-0")));
        assert_eq!(of("a.b:5000/c/d@sha256:00"), ("a.b:5000", "a.b:5000/c/d", None));
        assert_eq!(of("a.b/c:1@sha256:00"), ("a.b", "a.b/c", Some("1")));
    }
}
