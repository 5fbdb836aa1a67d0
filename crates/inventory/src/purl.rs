//! Package URLs (ECMA-427), in their canonical form.

use std::fmt::Write as _;

use crate::package::{Package, PackageKind};

/// Percent-encodes the characters that a part of a package URL may not contain. A colon is kept.
pub(crate) fn percent_encode(text: &str, also: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        let letter = char::from(byte);
        if letter.is_ascii_alphanumeric() || ".-_~:".contains(letter) || also.contains(letter) {
            out.push(letter);
        } else {
            // Writing to a string cannot fail.
            let _infallible = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// Appends the qualifiers of a package URL, which are given in the order of their names.
fn with_qualifiers(url: String, qualifiers: &[(&str, Option<String>)]) -> String {
    let known = qualifiers.iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
    known
        .zip(std::iter::once('?').chain(std::iter::repeat('&')))
        .fold(url, |url, ((name, value), mark)| format!("{url}{mark}{name}={}", percent_encode(value, "/")))
}

impl Package {
    /// Returns the package URL, which identifies the package anywhere.
    pub fn purl(&self) -> String {
        let kind = self.kind.name();
        let version = percent_encode(&self.version, "");
        let lower = self.name.to_lowercase();
        match self.kind {
            PackageKind::Deb | PackageKind::Apk => {
                let fallback = if self.kind == PackageKind::Deb { "debian" } else { "alpine" };
                let namespace = self.distribution.as_deref().unwrap_or(fallback).to_lowercase();
                let system = self.distribution_version.as_ref().map(|version| format!("{namespace}-{version}"));
                let url =
                    format!("pkg:{kind}/{}/{}@{version}", percent_encode(&namespace, ""), percent_encode(&lower, ""));
                with_qualifiers(url, &[("arch", self.architecture.clone()), ("distro", system)])
            }
            PackageKind::Rpm => self.rpm_purl(),
            PackageKind::Pypi | PackageKind::Npm => of(self.kind, &self.name, &self.version),
        }
    }

    /// Returns the package URL of an RPM package. The epoch is not part of the version, and the name keeps its case.
    fn rpm_purl(&self) -> String {
        let (epoch, version) = match self.version.split_once(':') {
            Some((epoch, version)) => (Some(epoch.to_owned()), version),
            None => (None, self.version.as_str()),
        };
        let distribution = self.distribution.as_deref().map(str::to_lowercase);
        let system = distribution.as_ref().zip(self.distribution_version.as_ref());
        let system = system.map(|(distribution, version)| format!("{distribution}-{version}"));
        // Red Hat's own system is named differently than in package URLs.
        let vendor = distribution.map(|name| if name == "rhel" { "redhat".to_owned() } else { name });
        let namespace = vendor.map(|name| format!("{}/", percent_encode(&name, ""))).unwrap_or_default();
        let url = format!("pkg:rpm/{namespace}{}@{}", percent_encode(&self.name, ""), percent_encode(version, ""));
        with_qualifiers(url, &[("arch", self.architecture.clone()), ("distro", system), ("epoch", epoch)])
    }
}

/// Returns the package URL of a package in a language's registry, for which name and version suffice.
pub fn of(kind: PackageKind, name: &str, version: &str) -> String {
    let lower = name.to_lowercase();
    let name = if kind == PackageKind::Npm {
        percent_encode(&lower, "/")
    } else {
        percent_encode(&lower.replace('_', "-"), "")
    };
    format!("pkg:{}/{name}@{}", kind.name(), percent_encode(version, ""))
}

/// Returns the package URL of an image or artifact in a registry: the last segment of the name, with the digest as
/// version.
pub fn oci(reference: &str, digest: &str, architecture: Option<&str>) -> String {
    let (repository, tag) = split_tag(reference);
    let name = repository.rsplit('/').next().unwrap_or(repository).to_lowercase();
    with_qualifiers(
        format!("pkg:oci/{}@{}", percent_encode(&name, ""), percent_encode(digest, "")),
        &[
            ("arch", architecture.map(str::to_owned)),
            ("repository_url", Some(repository.to_owned())),
            ("tag", tag.map(str::to_owned)),
        ],
    )
}

/// Splits a reference into the part without its tag, and the tag.
pub fn split_tag(reference: &str) -> (&str, Option<&str>) {
    match reference.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => (repository, Some(tag)),
        _ => (reference, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(kind: PackageKind, name: &str, version: &str) -> Package {
        Package::new(kind, name, version).expect("package")
    }

    #[test]
    fn package_urls_match_specification() {
        let of_debian = Package {
            architecture: Some("amd64".to_owned()),
            distribution: Some("debian".to_owned()),
            distribution_version: Some("13".to_owned()),
            ..package(PackageKind::Deb, "libstdc++6", "1:14.2.0-19+b1~bpo")
        };
        assert_eq!(of_debian.purl(), "pkg:deb/debian/libstdc%2B%2B6@1:14.2.0-19%2Bb1~bpo?arch=amd64&distro=debian-13");
        let plain = package(PackageKind::Apk, "busybox", "1.37.0-r12");
        assert_eq!(plain.purl(), "pkg:apk/alpine/busybox@1.37.0-r12");
        let of_fedora = Package {
            architecture: Some("x86_64".to_owned()),
            distribution: Some("fedora".to_owned()),
            distribution_version: Some("40".to_owned()),
            ..package(PackageKind::Rpm, "perl-Time-HiRes", "4:1.9775-502.fc40")
        };
        let url = "pkg:rpm/fedora/perl-Time-HiRes@1.9775-502.fc40?arch=x86_64&distro=fedora-40&epoch=4";
        assert_eq!(of_fedora.purl(), url);
        let of_red_hat =
            Package { distribution: Some("rhel".to_owned()), ..package(PackageKind::Rpm, "bash", "5.1.8-9.el9") };
        assert_eq!(of_red_hat.purl(), "pkg:rpm/redhat/bash@5.1.8-9.el9");
        assert_eq!(package(PackageKind::Rpm, "bash", "5.1.8-9").purl(), "pkg:rpm/bash@5.1.8-9");
        assert_eq!(package(PackageKind::Pypi, "Typing_Extensions", "4.0").purl(), "pkg:pypi/typing-extensions@4.0");
        assert_eq!(package(PackageKind::Npm, "@angular/core", "18.0.0").purl(), "pkg:npm/%40angular/core@18.0.0");
        assert_eq!(
            oci("registry.example:5000/team/Shop:1.2", "sha256:ab", Some("amd64")),
            "pkg:oci/shop@sha256:ab?arch=amd64&repository_url=registry.example:5000/team/Shop&tag=1.2"
        );
        assert_eq!(split_tag("registry.example:5000/a"), ("registry.example:5000/a", None));
    }
}
