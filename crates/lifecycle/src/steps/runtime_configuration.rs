//! containerd's configuration, and the mirrors that keep it from contacting registries outside the site.
//!
//! runc and the network plugins are found through a link to the running node pack. Containers keep the paths of the
//! containerd that started them, and a node pack's folder is removed once no kept release has it.

use std::fmt::Write;
use std::net::SocketAddr;

use landfall_media::durable;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::context::NodeContext;
use crate::steps::agent::unit_files;
use landfall_agent::units::{CONTAINERD, systemctl};
use landfall_cluster::drill::RUNTIME_CLASS;
use landfall_engine::step::{ObservedState, Step, StepError};
use landfall_host::facts::CgroupDriver;
use landfall_host::files;
use landfall_host::files::OwnFile;
use landfall_host::pack::PackId;
use landfall_site::backups::drill::network::{self, RUNTIMES};
use landfall_site::content::remove_others;

/// Parameters of the step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuntimeConfiguration {
    /// The node pack to which the link points.
    pub pack: PackId,
    /// Reference of the sandbox image.
    pub pause: String,
    /// Manager of pods' control groups.
    pub cgroup_driver: CgroupDriver,
    /// True if processes may lower their OOM score. If not, containerd must not try.
    pub lowers_oom_score: bool,
    /// True if containers get GPUs by CDI specifications, which the agent writes to a folder that only this containerd
    /// reads. If false, the file omits them, as in earlier versions.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub gpus: bool,
    /// True if containerd has the network of drills. If false, the file omits it, as in earlier versions.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub drill_network: bool,
    /// Upstream hosts of the release's images, each a prefix of repositories in the site's registry.
    pub hosts: Vec<String>,
}

impl RuntimeConfiguration {
    /// Returns the hosts that have a mirror, each with a folder of that name.
    fn mirrored_hosts(&self) -> impl Iterator<Item = &str> {
        self.hosts.iter().map(String::as_str).chain(["_default"])
    }

    fn files(&self, context: &NodeContext) -> Vec<OwnFile> {
        let folder = context.host.paths.runtime_hosts();
        let mut files =
            vec![OwnFile::new(context.host.paths.runtime_configuration(), self.configuration(context), 0o644)];
        if self.drill_network {
            let path = context.host.paths.drill_network().join(network::FILE);
            files.push(OwnFile::new(path, format!("{:#}\n", network::configuration(&context.host.paths)), 0o644));
        }
        for host in self.mirrored_hosts() {
            files.push(OwnFile::new(
                folder.join(host).join("hosts.toml"),
                mirror(context.content.registry(), host),
                0o644,
            ));
        }
        files
    }

    fn configuration(&self, context: &NodeContext) -> String {
        let mut text = String::new();
        let programs = context.host.paths.node_link();
        let folder = toml_literal(context.host.paths.gpu_specifications());
        let specifications = if self.gpus { format!("cdi_spec_dirs = [{folder}]\n") } else { String::new() };
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "# Written by Landfall.
version = 3
root = {root}
state = {state}
disabled_plugins = ['io.containerd.internal.v1.opt', 'io.containerd.nri.v1.nri']

[grpc]
address = {socket}

[plugins.'io.containerd.cri.v1.images']
snapshotter = 'overlayfs'
discard_unpacked_layers = true
use_local_image_pull = true
image_pull_with_sync_fs = true
[plugins.'io.containerd.cri.v1.images'.pinned_images]
sandbox = {pause}
[plugins.'io.containerd.cri.v1.images'.registry]
config_path = {hosts}

[plugins.'io.containerd.cri.v1.runtime']
restrict_oom_score_adj = {restrict}
{specifications}[plugins.'io.containerd.cri.v1.runtime'.cni]
bin_dirs = [{programs}]
conf_dir = {network}
{runtime}",
            root = toml_literal(context.host.paths.containerd()),
            state = toml_literal(context.host.paths.run().join("containerd")),
            socket = toml_literal(context.host.paths.containerd_socket()),
            pause = toml_literal(&self.pause),
            hosts = toml_literal(context.host.paths.runtime_hosts()),
            restrict = !self.lowers_oom_score,
            programs = toml_literal(&programs),
            network = toml_literal(context.host.paths.network_configuration()),
            runtime = self.runtime(context, "runc", ""),
        );
        if self.drill_network {
            let network = format!("cni_conf_dir = {}\n", toml_literal(context.host.paths.drill_network()));
            text.push_str(&self.runtime(context, RUNTIME_CLASS, &network));
        }
        text
    }

    /// Returns the configuration of one of containerd's runtimes. They differ only in name and network.
    fn runtime(&self, context: &NodeContext, name: &str, network: &str) -> String {
        format!(
            "[{RUNTIMES}.{name}]
runtime_type = 'io.containerd.runc.v2'
{network}[{RUNTIMES}.{name}.options]
BinaryName = {runc}
SystemdCgroup = {systemd}
",
            runc = toml_literal(context.host.paths.node_link().join("runc")),
            systemd = self.cgroup_driver == CgroupDriver::Systemd,
        )
    }
}

/// Returns a TOML literal string; no path or reference of Landfall contains a quote.
fn toml_literal(value: impl AsRef<std::ffi::OsStr>) -> String {
    format!("'{}'", value.as_ref().to_string_lossy())
}

/// Returns a mirror's configuration. `server` also names the mirror, otherwise containerd would fall back to the
/// upstream host.
fn mirror(registry: SocketAddr, host: &str) -> String {
    let mirror = format!("http://{registry}/v2/{host}");
    format!(
        "# Written by Landfall: images come from the site's registry only.
server = '{mirror}'
override_path = true

[host.'{mirror}']
capabilities = ['pull', 'resolve']
override_path = true
"
    )
}

impl RuntimeConfiguration {
    fn is_linked(&self, context: &NodeContext) -> bool {
        fs_err::read_link(context.host.paths.node_link())
            .is_ok_and(|target| target == context.host.paths.node_programs(&self.pack))
    }

    /// Restarts containerd, which reads its configuration only on start. Containers keep running. Does nothing on a
    /// site without the unit.
    fn restart(context: &NodeContext) -> Result<(), StepError> {
        if unit_files::path(context, CONTAINERD).exists() {
            context.host.run(&systemctl(&["restart", CONTAINERD]))?;
        }
        Ok(())
    }
}

impl Step<NodeContext> for RuntimeConfiguration {
    fn observe(&self, context: &mut NodeContext) -> Result<ObservedState, StepError> {
        Ok(match files::observe(&self.files(context))? {
            ObservedState::Done if !self.is_linked(context) => {
                ObservedState::Partial(format!("{} leads elsewhere", context.host.paths.node_link().display()))
            }
            ObservedState::Done if !self.drill_network && context.host.paths.drill_network().exists() => {
                ObservedState::Partial(format!("{} is left over", context.host.paths.drill_network().display()))
            }
            observed => observed,
        })
    }

    fn act(&self, context: &mut NodeContext, _before: &Value) -> Result<Value, StepError> {
        files::write(&self.files(context))?;
        if !self.drill_network {
            durable::remove_tree(&context.host.paths.drill_network())?;
        }
        remove_others(&context.host.paths.runtime_hosts(), &self.mirrored_hosts().map(str::to_owned).collect())?;
        if !self.is_linked(context) {
            durable::create_folder(&context.host.paths.node())?;
            durable::symlink(&context.host.paths.node_programs(&self.pack), &context.host.paths.node_link())?;
        }
        Self::restart(context)?;
        Ok(Value::Null)
    }

    fn undo(&self, context: &mut NodeContext, _before: &Value) -> Result<(), StepError> {
        landfall_host::mounts::remove_tree(&context.host.paths.runtime_hosts())?;
        durable::remove_tree(&context.host.paths.drill_network())?;
        durable::remove_file(&context.host.paths.node_link())?;
        files::remove_folder_if_empty(&context.host.paths.node())?;
        files::remove(&self.files(context)[..1])
    }
}
