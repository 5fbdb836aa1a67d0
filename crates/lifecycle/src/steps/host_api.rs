//! The host API for the console: a systemd unit, on a site whose release has a console.

use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use landfall_error_codes::codes;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::agent::{Agent, unit_files};
use crate::context::NodeContext;
use landfall_agent::units::{HOST_API, systemctl};
use landfall_engine::step::{ObservedState, Step, StepError};
use landfall_host::files;
use landfall_host::files::OwnFile;
use landfall_site::console::{HOST_PORT, console_of};
use landfall_site::removable::Shelf;

/// Maximum time until it listens.
const START_LIMIT: Duration = Duration::from_secs(30);

/// Parameters of the step: none. Every site has it, because a later release may add a console.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostApi {}

impl HostApi {
    fn file(context: &NodeContext) -> [OwnFile; 1] {
        let text = unit_files::host_api(&Agent::program(context));
        [OwnFile::new(unit_files::path(context, HOST_API), text, 0o644)]
    }

    fn remove(context: &NodeContext) -> Result<(), StepError> {
        if unit_files::path(context, HOST_API).exists() {
            context.host.run(&systemctl(&["disable", HOST_API]))?;
            context.host.run(&systemctl(&["stop", HOST_API]))?;
        }
        // Unmounts sticks that its requests have mounted.
        Shelf::of(&context.host.paths).clear(None)?;
        files::remove(&Self::file(context))?;
        context.host.run(&systemctl(&["daemon-reload"]))?;
        // systemd has nothing to reset if the unit has not failed.
        let _ = context.host.run(&systemctl(&["reset-failed", HOST_API]));
        Ok(())
    }
}

/// Waits until it accepts connections at the node's address.
fn wait_until_it_listens(context: &NodeContext) -> Result<(), StepError> {
    let (address, end) = (SocketAddr::new(context.host.node.address, HOST_PORT), Instant::now() + START_LIMIT);
    loop {
        match TcpStream::connect_timeout(&address, Duration::from_secs(1)) {
            Ok(_) => return Ok(()),
            Err(error) if Instant::now() >= end => {
                let what = format!("{HOST_API} does not listen at {address}");
                return Err(StepError::new(codes::HOST_API, what).because(error));
            }
            Err(_) => std::thread::sleep(Duration::from_millis(200)),
        }
    }
}

impl Step<NodeContext> for HostApi {
    fn observe(&self, context: &mut NodeContext) -> Result<ObservedState, StepError> {
        if console_of(&context.releases.own.release).is_none() {
            // An earlier release may have left it.
            let is_left = unit_files::path(context, HOST_API).exists();
            return Ok(if is_left {
                ObservedState::Partial(format!("{HOST_API} exists"))
            } else {
                ObservedState::Done
            });
        }
        match files::observe(&Self::file(context))? {
            ObservedState::Done => {
                Ok(Agent::lack(context, HOST_API).map_or(ObservedState::Done, ObservedState::Partial))
            }
            other => Ok(other),
        }
    }

    fn prepare(&self, _context: &mut NodeContext) -> Result<Value, StepError> {
        Ok(Value::Null)
    }

    fn act(&self, context: &mut NodeContext, _before: &Value) -> Result<Value, StepError> {
        if console_of(&context.releases.own.release).is_some() {
            files::write(&Self::file(context))?;
            context.host.run(&systemctl(&["daemon-reload"]))?;
            context.host.run(&systemctl(&["enable", HOST_API]))?;
            context.host.run(&systemctl(&["restart", HOST_API]))?;
            wait_until_it_listens(context)?;
        } else {
            Self::remove(context)?;
        }
        context.host.sync_filesystem(&context.host.paths.host("/etc"))?;
        Ok(Value::Null)
    }

    fn undo(&self, context: &mut NodeContext, _before: &Value) -> Result<(), StepError> {
        Self::remove(context)
    }
}
