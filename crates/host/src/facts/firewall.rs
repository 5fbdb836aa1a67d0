//! What firewalld permits. Its default zone rejects traffic between pods and from pods to the host. Without this check,
//! the problem would appear only after staging, when the cluster's nameserver does not become ready.

use std::collections::BTreeMap;
use std::path::Path;

use super::Firewalld;
use super::host::read;
use crate::paths::SitePaths;

/// Name of its table in the packet filter, while it runs.
const TABLE: &str = "firewalld";

/// Link that starts it at every boot, even if it is stopped now.
const WANTED_AT_BOOT: &str = "/etc/systemd/system/multi-user.target.wants/firewalld.service";

/// Zones that ship with it, and the site's own zones, which take precedence.
const ZONE_FOLDERS: [&str; 2] = ["/usr/lib/firewalld/zones", "/etc/firewalld/zones"];

/// Reads firewalld's permanent configuration, which every boot and reload applies; `None` if it neither runs nor will
/// run.
pub(super) fn firewalld(paths: &SitePaths, tables: &[String]) -> Option<Firewalld> {
    let is_wanted = paths.host(WANTED_AT_BOOT).symlink_metadata().is_ok();
    if !is_wanted && !tables.iter().any(|table| table == TABLE) {
        return None;
    }
    let settings = read(&paths.host("/etc/firewalld/firewalld.conf"));
    let default =
        settings.lines().find_map(|line| line.trim().strip_prefix("DefaultZone=")).map_or("public", str::trim);
    let mut zones = BTreeMap::new();
    for folder in ZONE_FOLDERS {
        zones.extend(zones_in(&paths.host(folder)));
    }
    zones.retain(|_, zone| attribute(zone, "zone", "target").any(|target| target == "ACCEPT"));
    let trusted = zones.values().flat_map(|zone| attribute(zone, "source", "address")).map(str::to_owned).collect();
    Some(Firewalld { passes_all: zones.contains_key(default), trusted })
}

/// Returns the text of each zone by name, without comments and rules.
fn zones_in(folder: &Path) -> BTreeMap<String, String> {
    let Ok(entries) = fs_err::read_dir(folder) else { return BTreeMap::new() };
    let zones = entries.flatten().filter_map(|entry| {
        let name = entry.file_name().to_string_lossy().strip_suffix(".xml")?.to_owned();
        let text = without(&read(&entry.path()), "<!--", "-->");
        // Rich rules have their own sources, which say nothing about the zone.
        Some((name, without(&text, "<rule", "</rule>")))
    });
    zones.collect()
}

/// Removes everything between two markers.
fn without(text: &str, begin: &str, end: &str) -> String {
    let mut parts = text.split(begin);
    let before = parts.next().unwrap_or_default().to_owned();
    before + &parts.filter_map(|part| Some(part.split_once(end)?.1)).collect::<String>()
}

/// Returns the values of an attribute of all elements with this name.
fn attribute<'a>(text: &'a str, element: &'a str, attribute: &'a str) -> impl Iterator<Item = &'a str> {
    text.split('<').filter_map(move |tag| {
        let tag = tag.split('>').next()?.strip_prefix(element)?.strip_prefix(char::is_whitespace)?;
        let value = tag.split_once(attribute)?.1.trim_start().strip_prefix('=')?.trim_start();
        let quote = value.chars().next().filter(|letter| ['"', '\''].contains(letter))?;
        value[1..].split(quote).next()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The zone as firewalld ships it.
    const TRUSTED: &str = r#"<?xml version="1.0" encoding="utf-8"?>
<zone target="ACCEPT">
  <short>Trusted</short>
  <description>All network connections are accepted.</description>
  <forward/>
</zone>
"#;
    const PUBLIC: &str =
        r#"<zone><short>Public</short><service name="ssh"/><source address="192.0.2.0/24"/><forward/></zone>"#;

    fn host(files: &[(&str, &str)]) -> (tempfile::TempDir, SitePaths) {
        let folder = tempfile::tempdir().unwrap();
        let paths = SitePaths::below(folder.path());
        let usual =
            [("/usr/lib/firewalld/zones/trusted.xml", TRUSTED), ("/usr/lib/firewalld/zones/public.xml", PUBLIC)];
        for (path, text) in usual.iter().chain(files) {
            let path = paths.host(path);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            landfall_media::durable::write_file(&path, text.as_bytes(), 0o644).unwrap();
        }
        (folder, paths)
    }

    fn running(files: &[(&str, &str)]) -> Firewalld {
        firewalld(&host(files).1, &["firewalld".to_owned()]).unwrap()
    }

    #[test]
    fn enabled_or_running_firewalld_counts() {
        let (folder, paths) = host(&[]);
        assert_eq!(firewalld(&paths, &["filter".to_owned()]), None);
        let link = paths.host(WANTED_AT_BOOT);
        fs_err::create_dir_all(link.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink("/usr/lib/systemd/system/firewalld.service", link).unwrap();
        assert_eq!(firewalld(&paths, &[]), Some(Firewalld { passes_all: false, trusted: Vec::new() }));
        drop(folder);
    }

    #[test]
    fn only_accepting_zone_sources_count() {
        let added = TRUSTED.replace(
            "  <forward/>",
            "  <source address=\"10.244.0.0/16\"/>\n  <source address='10.96.0.0/16'/>\n  <!-- <source \
             address=\"10.1.0.0/16\"/> -->\n\
             <rule family=\"ipv4\"><source address=\"10.2.0.0/16\"/><reject/></rule>",
        );
        let found =
            running(&[("/etc/firewalld/zones/trusted.xml", &added), ("/etc/firewalld/zones/trusted.xml.old", TRUSTED)]);
        assert_eq!(found.trusted, ["10.244.0.0/16", "10.96.0.0/16"]);
        assert!(!found.passes_all);
    }

    #[test]
    fn accepting_default_zone_passes_pods() {
        assert!(
            running(&[("/etc/firewalld/firewalld.conf", "# DefaultZone=public\nDefaultZone=trusted\n")]).passes_all
        );
        assert!(!running(&[("/etc/firewalld/firewalld.conf", "DefaultZone=public\n")]).passes_all);
    }
}
