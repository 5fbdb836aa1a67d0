//! Everything that a step of a plan may be. Each variant holds all the parameters of its step, which live beside the
//! step's code in `steps/`, so that a journal's plan can be executed without deciding anything.

use serde::{Deserialize, Serialize};

use crate::steps::component::Component;
use crate::steps::component_ready::ComponentReady;
use crate::steps::identity::Identity;
use crate::steps::mount::Mount;
use crate::steps::namespace::Namespace;
use crate::steps::secret::Secret;

/// One action of a plan with all its parameters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "kebab-case")]
pub enum Action {
    /// Marks data folder and operating system as one site.
    Identity(Identity),
    /// A component's namespace with its rules.
    Namespace(Namespace),
    /// A Secret whose values are generated on the site.
    Secret(Secret),
    /// An artifact's files as a read-only volume.
    Mount(Mount),
    /// The objects of a component.
    Component(Component),
    /// Everything of a component is ready.
    ComponentReady(ComponentReady),
}
