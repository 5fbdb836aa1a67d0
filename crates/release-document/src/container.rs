//! Scripts that Landfall runs with the `sh` of a component's container, so that a backup rule's programs can run there.
//! An image without a shell may bring a program named `sh` that supports only these scripts.

/// Prefix of the namespaces in which drills restore backups. A program that accesses data outside its volumes must not
/// do so there: a drill has copies of the Secrets.
pub const DRILL_NAMESPACE: &str = "landfall-drill-";

/// Runs the arguments after the first, and prints the first one after their output if they succeed. The exit code is
/// theirs.
pub const RUN_AND_MARK: &str = r#""$@" && printf %s "$0""#;

/// Waits until it is terminated, which counts as success. The argument is a limit in seconds; reaching it is a failure.
pub const WAIT_FOR_END: &str = r#"trap "exit 0" TERM; sleep "$0" & wait; exit 1"#;

/// Ends the container's first program after one second, and returns immediately.
pub const END_FIRST_PROGRAM: &str = "(sleep 1; kill -TERM 1) > /dev/null 2>&1 < /dev/null &";
