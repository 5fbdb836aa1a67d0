//! Forms of texts: names, keys, addresses and paths.

use std::net::IpAddr;

/// A form of texts.
#[derive(Clone, Copy)]
pub(super) struct Form {
    /// Function that returns true for a text of the form.
    is: fn(&str) -> bool,
    /// Description of the form, for people.
    what: &'static str,
}

impl Form {
    /// Returns the fault of a text that does not have the form.
    pub(super) fn wrong_in(&self, text: &str) -> Option<String> {
        (!(self.is)(text)).then(|| format!("`{text}` is not {}", self.what))
    }
}

/// A name with one part, such as that of a container, a volume or a namespace.
pub(super) const LABEL: Form = Form {
    is: is_label,
    what: "a name of lower-case letters, digits and hyphens between them, with at most 63 characters",
};

/// A name with several parts, such as that of most objects.
pub(super) const SUBDOMAIN: Form = Form {
    is: is_subdomain,
    what: "a name of lower-case letters and digits, with hyphens and dots between them, and at most 253 characters",
};

/// The name of a `CronJob`: its Jobs have this name plus eleven characters.
pub(super) const CRON_JOB_NAME: Form = Form {
    is: |text| is_subdomain(text) && text.len() <= 52,
    what: "a name of lower-case letters and digits, with hyphens and dots between them, and at most 52 characters",
};

/// A name of at least three parts.
pub(super) const QUALIFIED_DOMAIN: Form = Form {
    is: |text| is_subdomain(text) && text.split('.').count() >= 3,
    what: "a name of at least three parts with dots between them, such as pods.example.com",
};

/// A name that is a segment of a path, such as that of a role.
pub(super) const PATH_SEGMENT: Form =
    Form { is: |text| !matches!(text, "." | "..") && !text.contains(['/', '%']), what: "a name without / and %" };

/// A host of an Ingress.
pub(super) const HOST: Form = Form {
    is: |text| is_subdomain(text.strip_prefix("*.").unwrap_or(text)) && text.parse::<IpAddr>().is_err(),
    what: "a name of a host such as www.example.com or *.example.com",
};

/// A port name in IANA's form.
pub(super) const PORT_NAME: Form = Form {
    is: is_port_name,
    what: "a name of a port: at most 15 lower-case letters, digits and single hyphens between them, with one letter",
};

/// The key of a label.
pub(super) const LABEL_KEY: Form = Form {
    is: is_qualified,
    what: "a key such as app or example.com/app: letters and digits, with -, _ and . between them, and at most 63 \
        characters behind a prefix",
};

/// The key of an annotation, which is not case-sensitive.
pub(super) const ANNOTATION_KEY: Form = Form { is: |text| is_qualified(&text.to_lowercase()), what: LABEL_KEY.what };

/// The value of a label.
pub(super) const LABEL_VALUE: Form = Form {
    is: |text| text.is_empty() || is_word(text),
    what: "a value of a label: letters and digits, with -, _ and . between them, and at most 63 characters",
};

/// The key of a `ConfigMap` or a Secret.
pub(super) const CONFIG_KEY: Form = Form {
    is: |text| {
        (1..=253).contains(&text.len())
            && text != "."
            && !text.starts_with("..")
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    },
    what: "a key of letters, digits, -, _ and .",
};

/// The name of an environment variable.
pub(super) const VARIABLE: Form = Form {
    is: |text| !text.is_empty() && text.bytes().all(|byte| (b' '..=b'~').contains(&byte) && byte != b'='),
    what: "a name of a variable: printable ASCII characters without =",
};

/// The name of a resource that a container requests.
pub(super) const RESOURCE: Form = Form {
    is: |text| {
        matches!(text, "cpu" | "memory" | "ephemeral-storage")
            || text.starts_with("hugepages-")
            || (text.contains('/') && is_qualified(text))
    },
    what: "a resource of containers: cpu, memory, ephemeral-storage, hugepages-SIZE, or a name such as \
        example.com/device",
};

/// A field of a pod that an environment variable may take its value from.
pub(super) const POD_FIELD: Form = Form {
    is: is_pod_field,
    what: "a field that a variable can name, such as metadata.name, metadata.labels['app'], spec.nodeName or \
        status.podIP",
};

/// A resource of a container that an environment variable may take its value from.
pub(super) const RESOURCE_FIELD: Form = Form {
    is: |text| {
        let (list, resource) = text.split_once('.').unwrap_or((text, ""));
        matches!(list, "limits" | "requests")
            && (matches!(resource, "cpu" | "memory" | "ephemeral-storage") || resource.starts_with("hugepages-"))
    },
    what: "a resource such as limits.cpu or requests.memory",
};

/// An absolute path.
pub(super) const ABSOLUTE: Form = Form { is: |text| text.starts_with('/'), what: "an absolute path" };

/// A path without steps upward.
pub(super) const NOT_UPWARD: Form = Form { is: |text| !has_upward(text), what: "a path without .." };

/// A relative path, without steps upward.
pub(super) const RELATIVE: Form =
    Form { is: |text| !text.starts_with('/') && !has_upward(text), what: "a relative path without .." };

/// A relative path whose first name does not begin with two dots.
pub(super) const RELATIVE_NOT_HIDDEN: Form = Form {
    is: |text| (RELATIVE.is)(text) && !text.starts_with(".."),
    what: "a relative path that does not begin with ..",
};

/// An IP address.
pub(super) const ADDRESS: Form = Form { is: |text| text.parse::<IpAddr>().is_ok(), what: "an IP address" };

/// A network, such as `10.0.0.0/8`.
pub(super) const NETWORK: Form = Form { is: is_network, what: "a network such as 10.0.0.0/8" };

/// The name of an HTTP header.
pub(super) const HEADER: Form = Form {
    is: |text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'),
    what: "a name of a header: letters, digits and hyphens",
};

/// The schedule of a `CronJob`.
pub(super) const SCHEDULE: Form = Form {
    is: super::schedule::is_schedule,
    what: "a schedule: minute, hour, day of the month, month and day of the week, or a word such as @daily",
};

fn is_label(text: &str) -> bool {
    let is_inner = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    text.len() <= 63
        && text.as_bytes().first().is_some_and(is_inner)
        && text.as_bytes().last().is_some_and(is_inner)
        && text.bytes().all(|byte| is_inner(&byte) || byte == b'-')
}

fn is_subdomain(text: &str) -> bool {
    // A part may be longer than a label: only the total length has a limit.
    let is_part = |part: &str| {
        let is_inner = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        part.as_bytes().first().is_some_and(is_inner)
            && part.as_bytes().last().is_some_and(is_inner)
            && part.bytes().all(|byte| is_inner(&byte) || byte == b'-')
    };
    text.len() <= 253 && text.split('.').all(is_part)
}

fn is_port_name(text: &str) -> bool {
    text.len() <= 15
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && text.bytes().any(|byte| byte.is_ascii_lowercase())
        && !text.contains("--")
        && !text.starts_with('-')
        && !text.ends_with('-')
}

fn is_qualified(text: &str) -> bool {
    match text.split_once('/') {
        Some((prefix, name)) => is_subdomain(prefix) && is_word(name),
        None => is_word(text),
    }
}

fn is_word(text: &str) -> bool {
    text.len() <= 63
        && text.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric)
        && text.as_bytes().last().is_some_and(u8::is_ascii_alphanumeric)
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

fn is_pod_field(text: &str) -> bool {
    if let Some((map, rest)) = text.split_once("['") {
        let key = rest.strip_suffix("']");
        return matches!(map, "metadata.labels" | "metadata.annotations") && key.is_some_and(|key| !key.is_empty());
    }
    matches!(
        text,
        "metadata.name"
            | "metadata.namespace"
            | "metadata.uid"
            | "spec.nodeName"
            | "spec.serviceAccountName"
            | "status.hostIP"
            | "status.hostIPs"
            | "status.podIP"
            | "status.podIPs"
    )
}

fn has_upward(path: &str) -> bool {
    path.split('/').any(|part| part == "..")
}

fn is_network(text: &str) -> bool {
    let Some((address, length)) = text.split_once('/') else { return false };
    let (Ok(address), Ok(length)) = (address.parse::<IpAddr>(), length.parse::<u8>()) else { return false };
    length <= if address.is_ipv4() { 32 } else { 128 }
}
