//! Facts of a host as a self-contained page, for e-mail, a printer or a phone.

use askama::Template;
use landfall_facts::rows::{self, Row};
use landfall_host::facts::Facts;
use landfall_site::findings::finding_name;

use crate::commands::pages::render_page;
use crate::failure::Failure;
use crate::shown;

/// The page. All text is escaped, and invisible characters are spelled out.
#[derive(Template)]
#[template(path = "facts.html")]
struct Page {
    host: String,
    system: String,
    collected: String,
    is_of_root: bool,
    summary: String,
    groups: Vec<Section>,
}

struct Section {
    title: &'static str,
    items: Vec<Item>,
}

struct Item {
    name: String,
    value: String,
    path: &'static str,
    findings: String,
}

/// Makes the page for the facts of a host.
pub(super) fn page(facts: &Facts) -> Result<String, Failure> {
    let groups: Vec<Section> = rows::groups(facts)
        .into_iter()
        .map(|(topic, rows)| Section { title: topic.title(), items: rows.into_iter().map(item).collect() })
        .collect();
    let items = || groups.iter().flat_map(|group| &group.items);
    let deciding = items().filter(|item| !item.findings.is_empty()).count();
    let page = Page {
        host: shown::line(&facts.hostname),
        system: shown::line(&format!("{}, kernel {}", facts.operating_system, facts.kernel)),
        collected: shown::line(&facts.collected_at),
        is_of_root: facts.root,
        summary: format!("{} facts; {deciding} of them are judged before each installation", items().count()),
        groups,
    };
    render_page(&page)
}

fn item(row: Row) -> Item {
    let Row { name, path, codes, value } = row;
    let findings: Vec<&str> = codes.iter().map(|code| finding_name(*code)).collect();
    Item { name: shown::line(&name), value: shown::line(&value), path, findings: findings.join(", ") }
}
