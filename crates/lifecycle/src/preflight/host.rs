//! Problems of the host other than hardware and network: running programs, build options of the kernel, and the
//! hardware clock.

use landfall_error_codes::codes;
use landfall_host::facts::Facts;

use landfall_site::findings::Finding;

/// Seconds by which system clock and hardware clock may differ: a time program writes the hardware clock every eleven
/// minutes.
const CLOCK_DIFFERENCE_SECONDS: u64 = 60;

/// Returns a blocker for kernel options that Kubernetes needs and the kernel lacks.
pub(super) fn kernel_options(facts: &Facts) -> Option<Finding> {
    let missing = facts.missing_kernel_options.as_ref().filter(|missing| !missing.is_empty())?;
    Some(Finding::new(codes::KERNEL_OPTIONS, missing.join(", "), "built in, or as modules"))
}

/// Returns findings that cannot be judged, because neither this host nor the facts of an older landfall have the data.
pub(super) fn unknown(facts: &Facts) -> Vec<Finding> {
    const OF_KERNEL: &str = "Whether the kernel was built with what Kubernetes needs";
    let is_older = facts.security.as_ref().is_none_or(|security| security.endpoint_programs.is_none());
    if is_older {
        let unsaid = [
            (codes::KERNEL_OPTIONS, OF_KERNEL),
            (codes::ENDPOINT_SECURITY, "Whether a program of endpoint security runs"),
            (codes::HARDWARE_CLOCK, "Whether system clock and hardware clock agree"),
            (codes::NO_BARRIERS, "Whether the filesystem of the data folder keeps synced writes"),
        ];
        return unsaid.into_iter().map(|(code, message)| Finding::unknown(code, message, 3)).collect();
    }
    if facts.missing_kernel_options.is_some() {
        return Vec::new();
    }
    let measured = "its configuration is neither in /proc/config.gz nor in /boot nor in /lib/modules";
    let fix = "With the distribution's own kernel, nothing. Otherwise copy the kernel's configuration to \
        \"/boot/config-$(uname -r)\" and collect the facts again.";
    vec![Finding { measured: measured.to_owned(), ..Finding::unknown(codes::KERNEL_OPTIONS, OF_KERNEL, 3).fix(fix) }]
}

/// Returns a warning for programs that inspect each file and process.
pub(super) fn endpoint_security(facts: &Facts) -> Option<Finding> {
    let programs = facts.security.as_ref()?.endpoint_programs.as_ref().filter(|programs| !programs.is_empty())?;
    Some(Finding::warning(codes::ENDPOINT_SECURITY, programs.join(", "), codes::ENDPOINT_SECURITY.fix))
}

/// Returns a warning for a hardware clock that would set the host's clock wrong at the next boot.
pub(super) fn hardware_clock(facts: &Facts) -> Option<Finding> {
    let ahead = facts.ahead_of_hardware_clock_seconds?;
    if ahead.unsigned_abs() <= CLOCK_DIFFERENCE_SECONDS {
        return None;
    }
    let direction = if ahead > 0 { "behind" } else { "ahead of" };
    let found = format!("it is {} s {direction} the system's clock", ahead.unsigned_abs());
    let finding = Finding::warning(codes::HARDWARE_CLOCK, found, codes::HARDWARE_CLOCK.fix);
    let threshold = format!("within {CLOCK_DIFFERENCE_SECONDS} s");
    Some(Finding { threshold, ..finding.commands(["hwclock --systohc".to_owned()]) })
}

/// Describes a passed hardware clock.
pub(super) fn hardware_clock_difference(facts: &Facts) -> String {
    let ahead = facts.ahead_of_hardware_clock_seconds;
    ahead.map(|ahead| format!("{} s apart", ahead.unsigned_abs())).unwrap_or_default()
}
