//! Forwarding targets of the cluster's nameserver for names outside the cluster. The host's nameservers may change
//! after an install, and CoreDNS exits if its configuration names a file without any. Therefore its configuration
//! imports this file, which CoreDNS rereads within seconds of a change.

use std::path::{Path, PathBuf};

use landfall_media::durable;

use super::settings::AgentSettings;
use landfall_engine::step::StepError;
use landfall_host::facts;
use landfall_host::paths::SitePaths;

/// Name of the file; CoreDNS's configuration imports every file of its folder with this suffix.
const NAME: &str = "forward.conf";

/// Returns the folder, which CoreDNS's pod sees at the same path.
pub fn folder(paths: &SitePaths) -> PathBuf {
    paths.run().join("nameservers")
}

/// Writes the file if it does not match the host's nameservers. Returns true if it wrote.
pub fn keep(paths: &SitePaths, settings: &AgentSettings) -> Result<bool, StepError> {
    // A nameserver that is a service of the cluster would query itself in a loop.
    let is_outside = |address: &String| {
        let services = &settings.service_route.ranges;
        address.parse().is_ok_and(|address| !services.iter().any(|range| range.contains(address)))
    };
    let nameservers: Vec<String> = facts::nameservers(paths).into_iter().filter(is_outside).collect();
    write(&folder(paths), &text(&nameservers))
}

fn write(folder: &Path, text: &str) -> Result<bool, StepError> {
    let path = folder.join(NAME);
    if fs_err::read_to_string(&path).is_ok_and(|found| found == text) {
        return Ok(false);
    }
    durable::create_folder(folder)?;
    durable::write_file(&path, text.as_bytes(), 0o644)?;
    Ok(true)
}

/// Maximum number of servers that CoreDNS accepts for one `forward`.
const MOST: usize = 15;

fn text(nameservers: &[String]) -> String {
    const HEADING: &str = "# Written by Landfall from the host's nameservers.\n";
    if nameservers.is_empty() {
        return format!("{HEADING}# The host has none, so names outside of the cluster are not found.\n");
    }
    let listed = nameservers.iter().take(MOST).cloned().collect::<Vec<_>>().join(" ");
    format!("{HEADING}forward . {listed} {{\n    max_concurrent 1000\n}}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::sample;

    #[test]
    fn nameserver_changes_are_followed() {
        let folder = tempfile::tempdir().unwrap();
        let paths = SitePaths::below(folder.path());
        let settings = sample([10, 99, 0, 11].into());
        let host = |text: &str| {
            durable::create_folder(&paths.host("/etc")).unwrap();
            durable::write_file(&paths.host("/etc/resolv.conf"), text.as_bytes(), 0o644).unwrap();
            let written = keep(&paths, &settings).unwrap();
            (written, fs_err::read_to_string(super::folder(&paths).join(NAME)).unwrap())
        };
        let (written, none) = host("");
        assert!(written && none.lines().all(|line| line.starts_with('#')), "{none}");
        let (written, some) = host("nameserver 10.0.0.53\nnameserver 127.0.0.53\nnameserver 10.96.0.10\n");
        assert!(written && some.contains("forward . 10.0.0.53 {\n"), "{some}");
        assert!(!host("search example.com\nnameserver 10.0.0.53\n").0, "nothing has changed");
        assert_eq!(host("nameserver 127.0.0.53\n"), (true, none));
    }
}
