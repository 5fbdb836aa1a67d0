//! A program to run in a container, and its criterion for success.

/// A program to run in a container of a pod.
#[derive(Debug, Clone, Copy)]
pub struct Program<'a> {
    /// The pod's namespace.
    pub namespace: &'a str,
    /// The pod.
    pub pod: &'a str,
    /// The container, which must be running.
    pub container: &'a str,
    /// The program's name or path, and its arguments.
    pub arguments: &'a [String],
    /// Criterion for success.
    pub success: Success,
}

/// Criterion by which a program counts as successful and its output as complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Success {
    /// The API server's report. It also reports success if the node's connection to the program breaks off, as when
    /// containerd restarts: good enough if a later check follows.
    Reported,
    /// A trailer that the container's `sh` writes after the program's output; it is checked and removed. The image must
    /// contain `sh`.
    Trailer,
}
