//! Pages in HTML, as specified by PEP 503.

use std::fmt::Write as _;

use super::{API_VERSION, address};
use crate::wheel::Wheel;

/// Returns the page with a link to each project.
pub fn projects(names: &[&str]) -> String {
    let links = names.iter().fold(String::new(), |mut links, name| {
        let _infallible = writeln!(links, "<a href=\"{name}/\">{name}</a><br>");
        links
    });
    page("Projects", &links)
}

/// Returns the page of a project, with a link to each file. Digests are part of the address, as this form requires.
pub fn project(name: &str, wheels: &[&Wheel]) -> String {
    let links = wheels.iter().fold(String::new(), |mut links, wheel| {
        let (address, hash, metadata) = (address(wheel), wheel.sha256.to_hex(), wheel.metadata.to_hex());
        let python = wheel.requires_python.as_deref().map(|python| {
            let python = escape_attribute(python);
            format!(" data-requires-python=\"{python}\"")
        });
        let python = python.unwrap_or_default();
        // pip before 23.2 knows only the second name.
        let _infallible = writeln!(
            links,
            "<a href=\"{address}#sha256={hash}\"{python} data-core-metadata=\"sha256={metadata}\" \
             data-dist-info-metadata=\"sha256={metadata}\">{}</a><br>",
            wheel.file_name()
        );
        links
    });
    page(&format!("Wheels of {name}"), &links)
}

fn page(title: &str, links: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"pypi:repository-version\" \
         content=\"{API_VERSION}\">\n\
         <title>{title}</title>\n</head>\n<body>\n<h1>{title}</h1>\n{links}</body>\n</html>\n"
    )
}

/// Escapes a text for an attribute.
fn escape_attribute(text: &str) -> String {
    text.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;").replace('>', "&gt;").replace('\'', "&#39;")
}
