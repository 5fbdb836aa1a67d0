//! The kernel's counters for this process, reported next to Landfall's own counters for comparison.

use schemars::JsonSchema;
use serde::Serialize;

/// Figures of `/proc/self/io` and `/proc/self/status`, all in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "a unit belongs in each name")]
pub(crate) struct ProcessUsage {
    /// Bytes requested by read calls (`rchar`).
    pub(crate) read_bytes: u64,
    /// Bytes passed to write calls (`wchar`).
    pub(crate) written_bytes: u64,
    /// Peak resident memory (`VmHWM`).
    pub(crate) peak_memory_bytes: u64,
}

/// Reads the counters; missing ones are 0.
pub(crate) fn of_this_process() -> ProcessUsage {
    let io = fs_err::read_to_string("/proc/self/io").unwrap_or_default();
    let status = fs_err::read_to_string("/proc/self/status").unwrap_or_default();
    ProcessUsage {
        read_bytes: field(&io, "rchar:"),
        written_bytes: field(&io, "wchar:"),
        peak_memory_bytes: field(&status, "VmHWM:") * 1024,
    }
}

fn field(text: &str, name: &str) -> u64 {
    let value = text.lines().find_map(|line| line.strip_prefix(name));
    value.and_then(|value| value.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    #[test]
    fn process_usage_is_measured() {
        let usage = super::of_this_process();
        assert!(usage.read_bytes > 0 && usage.peak_memory_bytes > 1 << 20, "{usage:?}");
    }
}
