//! Checks of a page. A page passes if the browser reports no errors, no request leaves the origin, axe-core finds
//! nothing, and nothing is wider than the window.

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::browser::Browser;

/// Returns the browser's errors since the last call: script errors, violations of the content policy, failed loads, and
/// requests to anywhere but the console. A refused form is not an error: 403, or 502 if the host refused.
pub async fn faults(browser: &Browser) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in browser.driver.log("browser").await? {
        let refusal = entry.message.split_once("Failed to load resource: the server responded with a status of ");
        let is_answer = refusal.is_some_and(|(_, status)| status.starts_with('4') || status.starts_with("502"));
        if !is_answer && matches!(entry.level.as_str(), "SEVERE" | "WARNING") {
            found.push(format!("console: {}", entry.message));
        }
    }
    for entry in browser.driver.log("performance").await? {
        let event: Value = serde_json::from_str(&entry.message)?;
        if event.pointer("/message/method").and_then(Value::as_str) != Some("Network.requestWillBeSent") {
            continue;
        }
        let url =
            event.pointer("/message/params/request/url").and_then(Value::as_str).context("a request has no URL")?;
        if !browser.is_own(url) {
            found.push(format!("request to {url}"));
        }
    }
    Ok(found)
}

/// Fails if the browser recorded any error.
pub async fn expect_no_faults(browser: &Browser) -> Result<()> {
    let found = faults(browser).await?;
    if found.is_empty() {
        return Ok(());
    }
    bail!("the browser found faults:\n{}", found.join("\n"))
}

/// Returns violations of WCAG 2.0 to 2.2, levels A and AA, each with the elements that violate it.
pub async fn accessibility(browser: &Browser, axe: &str) -> Result<Vec<String>> {
    browser.driver.execute(axe, Vec::new()).await?;
    let rules = json!({
        "runOnly": { "type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa",
            "best-practice"] },
        "resultTypes": ["violations"],
    });
    let script = "const done = arguments[1]; axe.run(document, arguments[0]).then(
        found => \
        done({ checked: found.passes.length, violations: found.violations }), error => \
        done({ failed: String(error) }));";
    let said = browser.driver.execute_async(script, vec![rules]).await?.json().clone();
    // If almost no rules applied, the page was not really checked.
    let checked = said["checked"].as_u64().with_context(|| format!("axe-core failed: {said}"))?;
    anyhow::ensure!(checked >= 10, "axe-core applied {checked} rules alone");
    let violations = said["violations"].as_array().context("axe-core found no list")?;
    let nodes = |violation: &Value| {
        let nodes = violation["nodes"].as_array().cloned().unwrap_or_default();
        let shown =
            |node: &Value| format!("{} {}", node["html"], node["any"][0]["message"].as_str().unwrap_or_default());
        nodes.iter().map(shown).collect::<Vec<_>>().join("\n    ")
    };
    Ok(violations.iter().map(|violation| format!("axe {}: {}", violation["id"], nodes(violation))).collect())
}

/// Returns the overflowing elements if the page is wider than the window, or a table is wider than its container.
pub async fn too_wide(browser: &Browser) -> Result<Option<String>> {
    let script = "const width = document.documentElement.clientWidth;
        const tables = \
        Array.from(document.querySelectorAll('.scroll')).filter(part => part.scrollWidth > part.clientWidth + \
        1);
        if (tables.length > 0) return tables.map(part => part.innerText.slice(0, 80)).join(' | ');
        \
        if (document.documentElement.scrollWidth <= width) return null;
        return \
        Array.from(document.querySelectorAll('body *'))
            .filter(part => part.getBoundingClientRect().right \
        > width + 1 && !part.closest('.scroll, nav'))
            .slice(0, 5).map(part => part.outerHTML.slice(0, \
        120)).join(' | ') || 'unknown';";
    let said = browser.driver.execute(script, Vec::new()).await?.json().clone();
    Ok(said.as_str().map(|parts| format!("wider than the window: {parts}")))
}
