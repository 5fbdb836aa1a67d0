//! What Landfall has the `sh` of a component's container do, so that a backup rule's programs can run there. An image without a
//! shell may bring a program of that name that understands these and no more.

/// What the names of namespaces begin with in which drills restore backups. A program that reaches data outside of its volumes must not
/// do so there: a drill has copies of the Secrets.
pub const DRILL_NAMESPACE: &str = "landfall-drill-";

/// Runs the arguments after the first, and writes the first behind their output once they have succeeded. The exit code is
/// theirs.
pub const RUN_AND_MARK: &str = r#""$@" && printf %s "$0""#;

/// Waits until it is ended, which counts as success. The argument is a limit in seconds, whose end is a failure.
pub const WAIT_FOR_END: &str = r#"trap "exit 0" TERM; sleep "$0" & wait; exit 1"#;

/// Ends the container's first program a second later, and returns at once.
pub const END_FIRST_PROGRAM: &str = "(sleep 1; kill -TERM 1) > /dev/null 2>&1 < /dev/null &";
