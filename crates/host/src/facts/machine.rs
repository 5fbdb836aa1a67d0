//! Facts of the processor, the firmware, the host's security software, and the C library, each read from a file.

use std::collections::BTreeSet;
use std::io::Read;

use super::host::read;
use super::system::System;
use super::{Cpu, Security};
use crate::paths::SitePaths;

/// Processor features that models and databases use; a rule of a release may ask for one.
const FEATURES: [&str; 15] = [
    "sse4_2",
    "popcnt",
    "aes",
    "sha_ni",
    "avx",
    "avx2",
    "fma",
    "f16c",
    "avx512f",
    "avx512_vnni",
    "avx512_bf16",
    "amx_tile",
    "amx_int8",
    "amx_bf16",
    "asimd",
];

/// Features that each level of x86-64 adds, by the kernel's names.
const LEVELS: [(u8, &[&str]); 3] = [
    (2, &["cx16", "lahf_lm", "popcnt", "sse4_1", "sse4_2", "ssse3"]),
    (3, &["avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe", "xsave"]),
    (4, &["avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"]),
];

/// Endpoint security programs on Linux, by the first 15 bytes of their names.
const ENDPOINT_PROGRAMS: [&str; 21] = [
    "falcon-sensor",
    "falcon-sensor-b",
    "wdavdaemon",
    "s1-agent",
    "sentinelone-age",
    "cbagentd",
    "cbdaemon",
    "ds_agent",
    "ds_am",
    "sophos_threat_d",
    "savd",
    "savscand",
    "mfetpd",
    "isectpd",
    "oaeventd",
    "elastic-endpoin",
    "kesl",
    "bdsecd",
    "rtvscand",
    "sisamdagent",
    "clamonacc",
];

/// Paths of the C library, by distribution.
const LIBRARIES: [&str; 6] = [
    "/lib/x86_64-linux-gnu/libc.so.6",
    "/lib/aarch64-linux-gnu/libc.so.6",
    "/lib64/libc.so.6",
    "/usr/lib64/libc.so.6",
    "/lib/libc.so.6",
    "/usr/lib/libc.so.6",
];

/// Maximum number of bytes of the C library that are searched.
const LIBRARY_BYTES: u64 = 16 << 20;

/// Text that precedes the version in the C library.
const BEFORE_VERSION: &[u8] = b"GNU C Library ";

/// Firmware variable for the state of Secure Boot; its last byte is the answer.
const SECURE_BOOT: &str = "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c";

pub(super) fn cpu(paths: &SitePaths, system: &System) -> Cpu {
    let text = read(&paths.host("/proc/cpuinfo"));
    let mut fields = text.lines().filter_map(|line| line.split_once(':'));
    let flags = fields.find(|(name, _)| ["flags", "Features"].contains(&name.trim()));
    let flags: BTreeSet<&str> = flags.map(|(_, flags)| flags.split_whitespace().collect()).unwrap_or_default();
    let has_all = |(_, needed): &&(u8, &[&str])| needed.iter().all(|flag| flags.contains(flag));
    let level = LEVELS.iter().take_while(has_all).last().map_or(1, |(level, _)| *level);
    Cpu {
        model: system.processor.clone(),
        features: FEATURES.iter().filter(|name| flags.contains(**name)).map(|name| (*name).to_owned()).collect(),
        level: (cfg!(target_arch = "x86_64") && !flags.is_empty()).then_some(level),
        numa_nodes: numa_nodes(paths),
    }
}

/// Returns the number of NUMA nodes; 1 if the kernel does not distinguish them.
fn numa_nodes(paths: &SitePaths) -> u32 {
    let Ok(entries) = fs_err::read_dir(paths.host("/sys/devices/system/node")) else { return 1 };
    let is_node = |name: &str| name.strip_prefix("node").is_some_and(|number| number.parse::<u32>().is_ok());
    let nodes = entries.flatten().filter(|entry| is_node(&entry.file_name().to_string_lossy())).count();
    u32::try_from(nodes).unwrap_or(u32::MAX).max(1)
}

pub(super) fn security(paths: &SitePaths, system: &System) -> Security {
    let secure_boot = fs_err::read(paths.host(SECURE_BOOT)).ok();
    Security {
        secure_boot: secure_boot.and_then(|bytes| bytes.last().map(|last| *last == 1)),
        app_armor: read(&paths.host("/sys/module/apparmor/parameters/enabled")).trim() == "Y",
        fapolicyd: !system.running(&["fapolicyd"]).is_empty(),
        endpoint_programs: Some(system.running(&ENDPOINT_PROGRAMS)),
    }
}

/// Returns the version of glibc, such as `2.36`; `None` if the host has another C library.
pub(super) fn glibc(paths: &SitePaths) -> Option<String> {
    LIBRARIES.iter().find_map(|path| {
        let mut bytes = Vec::new();
        let file = fs_err::File::open(paths.host(path)).ok()?;
        file.take(LIBRARY_BYTES).read_to_end(&mut bytes).ok()?;
        version_in(&bytes)
    })
}

/// Parses `GNU C Library (Debian GLIBC 2.36-9+deb12u10) stable release version 2.36.`
fn version_in(library: &[u8]) -> Option<String> {
    const WORD: &str = "version ";
    let at = library.windows(BEFORE_VERSION.len()).position(|window| window == BEFORE_VERSION)?;
    let text = library[at..].split(|byte| *byte == b'\n' || *byte == 0).next()?;
    let text = String::from_utf8_lossy(text);
    let (_, version) = text.rsplit_once(WORD)?;
    let version: String = version.chars().take_while(|letter| letter.is_ascii_digit() || *letter == '.').collect();
    Some(version.trim_end_matches('.').to_owned()).filter(|version| !version.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::sample::host;

    #[test]
    fn processor_level_needs_all_flags() {
        let flags = |more: &str| format!("processor\t: 0\nflags\t\t: fpu sse2 {more}\n");
        let system = System { processor: "Some CPU @ 2 GHz".to_owned(), ..System::default() };
        let v2 = "cx16 lahf_lm popcnt sse4_1 sse4_2 ssse3";
        let v3 = format!("{v2} avx avx2 bmi1 bmi2 f16c fma abm movbe xsave");
        for (more, level) in [("", 1), (v2, 2), (v3.as_str(), 3), ("avx avx2", 1)] {
            let (_folder, paths) = host(&[("/proc/cpuinfo", &flags(more))]);
            let found = cpu(&paths, &system);
            assert_eq!((found.level, found.numa_nodes), (cfg!(target_arch = "x86_64").then_some(level), 1), "{more}");
            assert_eq!(found.features.contains(&"avx2".to_owned()), more.contains("avx2"));
            assert_eq!(found.model, "Some CPU @ 2 GHz");
        }
        let (_folder, paths) = host(&[
            ("/sys/devices/system/node/node0/cpulist", ""),
            ("/sys/devices/system/node/node1/cpulist", ""),
            ("/sys/devices/system/node/possible", ""),
        ]);
        assert_eq!(cpu(&paths, &system).numa_nodes, 2);
    }

    #[test]
    fn security_software_is_read() {
        let (_folder, paths) =
            host(&[(SECURE_BOOT, "\u{6}\0\0\0\u{1}"), ("/sys/module/apparmor/parameters/enabled", "Y\n")]);
        let programs = ["fapolicyd", "falcon-sensor", "wdavdaemon"].map(str::to_owned).into();
        let system = System { programs, ..System::default() };
        let endpoint_programs = Some(["falcon-sensor", "wdavdaemon"].map(str::to_owned).to_vec());
        let expected = Security { secure_boot: Some(true), app_armor: true, fapolicyd: true, endpoint_programs };
        assert_eq!(security(&paths, &system), expected);
        let (_folder, paths) = host(&[]);
        let bare =
            Security { secure_boot: None, app_armor: false, fapolicyd: false, endpoint_programs: Some(Vec::new()) };
        assert_eq!((security(&paths, &System::default()), glibc(&paths)), (bare, None));
        assert!(ENDPOINT_PROGRAMS.iter().all(|name| name.len() <= 15), "the kernel cuts names after 15 bytes");
    }

    #[test]
    fn glibc_version_is_read() {
        let debian = b"\x7fELF\0\0GNU C Library (Debian GLIBC 2.36-9+deb12u10) stable release version 2.36.\nCopyright";
        assert_eq!(version_in(debian).as_deref(), Some("2.36"));
        assert_eq!(
            version_in(b"GNU C Library (GNU libc) stable release version 2.31, by Roland").as_deref(),
            Some("2.31")
        );
        assert_eq!(version_in(b"musl libc"), None);
        assert_eq!(version_in(b"GNU C Library without"), None);
        let (_folder, paths) = host(&[("/lib64/libc.so.6", "GNU C Library stable release version 2.34.\n")]);
        assert_eq!(glibc(&paths).as_deref(), Some("2.34"));
    }
}
