//! Arguments of the commands that look at a host or a running site.

use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::HistoryCommand;

#[derive(Debug, Args)]
pub(crate) struct FactsArguments {
    /// File with facts of another host, which are printed instead of this host's.
    pub(crate) file: Option<PathBuf>,
    /// Write the facts to this file instead of standard output.
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Also write the facts as one self-contained page.
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ProbeArguments {
    /// Kubeconfig of the cluster; its current context is used.
    #[arg(long, value_name = "FILE")]
    pub(crate) kubeconfig: PathBuf,
    /// Image with `landfall-facts` in its root, and `landfall-gpu` next to it for GPUs; each node must be able to pull
    /// it.
    #[arg(long)]
    pub(crate) image: String,
    /// Write the facts of each node to NODE.json in this folder as soon as they are known, for `--facts` of other
    /// commands.
    #[arg(long, short, value_name = "FOLDER")]
    pub(crate) output: Option<PathBuf>,
    /// Time limit for each node, such as `90s` or `5m`.
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "2m")]
    pub(crate) timeout: Duration,
}

#[derive(Debug, Args)]
pub(crate) struct ProveArguments {
    /// Names of proofs; by default, all proofs of the release.
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct KubectlArguments {
    /// Arguments of kubectl, such as `get pods --all-namespaces`.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENT")]
    pub(crate) arguments: Vec<OsString>,
}

#[derive(Debug, Args)]
pub(crate) struct LogsArguments {
    /// Name of the component, as listed by `landfall status`.
    pub(crate) component: String,
    /// Keep printing new lines as they are logged, including those of pods that start later.
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// Print only lines that were logged within this time before now, such as `15m`, `2h` or `90s`.
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) since: Option<Duration>,
    /// Print only this number of last lines of each container.
    #[arg(long, value_name = "COUNT")]
    pub(crate) tail: Option<u32>,
    /// Print the logs of each container's run before its last restart.
    #[arg(short, long, conflicts_with = "follow")]
    pub(crate) previous: bool,
    /// Print only the logs of containers with this name.
    #[arg(short, long, value_name = "NAME")]
    pub(crate) container: Option<String>,
}

/// Parses a time before now.
pub(super) fn time(text: &str) -> Result<Duration, String> {
    let time = text.parse::<jiff::SignedDuration>().ok().and_then(|time| Duration::try_from(time).ok());
    time.ok_or_else(|| "not a time such as `15m`, `2h` or `90s`".to_owned())
}

/// Parses a number from 1.
fn count(text: &str) -> Result<NonZeroUsize, String> {
    text.parse().map_err(|_| "not a whole number from 1".to_owned())
}

#[derive(Debug, Args)]
pub(crate) struct ReleasesArguments {
    /// Also print the notes of each release, and the differences between the two.
    #[arg(long)]
    pub(crate) details: bool,
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct HistoryArguments {
    #[command(subcommand)]
    pub(crate) command: Option<HistoryCommand>,
    /// Maximum number of operations.
    #[arg(long, value_name = "COUNT", default_value = "20", value_parser = count)]
    pub(crate) limit: NonZeroUsize,
}

#[derive(Debug, Args)]
pub(crate) struct ConsoleArguments {
    /// Make no token, so that earlier ones stay valid.
    #[arg(long)]
    pub(crate) no_token: bool,
}

/// Returns the arguments of this process, with a `--` between `kubectl` and those that follow: all of them are
/// kubectl's, whatever their names.
pub(crate) fn with_kubectl_apart(arguments: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut arguments: Vec<_> = arguments.collect();
    let is_option = |argument: &OsString| argument.as_encoded_bytes().starts_with(b"-");
    let command = arguments.iter().skip(1).position(|argument| !is_option(argument)).map(|index| index + 1);
    if let Some(index) = command.filter(|index| arguments[*index] == "kubectl") {
        arguments.insert(index + 1, "--".into());
    }
    arguments
}
