//! Frame of every page: the navigation, the signed-in user, and notices of the whole console.

use super::assets::{ICON, OWN_SCRIPT, PALETTE_SCRIPT, SCRIPT, SECRET_SCRIPT, STYLE, UPLOAD_SCRIPT};
use super::moment::Moment;
use super::palette::{Goal, goals};
use crate::access::Caller;
use crate::context::Context;
use crate::people::{LEAST_CHARACTERS, Role};
use crate::refusal::{Problem, Refusal};

/// Places in the navigation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Overview,
    Components,
    Releases,
    Upgrade,
    Backups,
    Settings,
    License,
    Node,
    Gpus,
    Activity,
    Dashboard,
    Support,
    Users,
    Keys,
    Audit,
    Approval,
    Account,
    None,
}

/// An entry of the navigation.
pub struct Entry {
    pub place: Place,
    pub path: &'static str,
    pub name: &'static str,
}

const SITE: &[Entry] = &[
    Entry { place: Place::Overview, path: "/", name: "Overview" },
    Entry { place: Place::Components, path: "/components", name: "Components" },
    Entry { place: Place::Releases, path: "/releases", name: "Releases" },
    Entry { place: Place::Upgrade, path: "/upgrade", name: "Upgrade" },
    Entry { place: Place::Backups, path: "/backups", name: "Backups" },
    Entry { place: Place::Settings, path: "/settings", name: "Settings" },
    Entry { place: Place::License, path: "/license", name: "License" },
    Entry { place: Place::Node, path: "/node", name: "Node" },
    Entry { place: Place::Gpus, path: "/gpus", name: "GPUs and models" },
    Entry { place: Place::Activity, path: "/activity", name: "Activity" },
    Entry { place: Place::Dashboard, path: "/dashboard", name: "Dashboard" },
    Entry { place: Place::Support, path: "/support", name: "Support" },
];
const PEOPLE: &[Entry] = &[
    Entry { place: Place::Users, path: "/users", name: "Users" },
    Entry { place: Place::Keys, path: "/keys", name: "API keys" },
    Entry { place: Place::Audit, path: "/audit", name: "Audit" },
    Entry { place: Place::Approval, path: "/approval", name: "Approval" },
];

/// Frame of a page.
pub struct Frame {
    pub title: String,
    pub place: Place,
    pub user: Option<String>,
    pub role: Role,
    pub csrf: String,
    /// True if the host has GPUs, or the release has models.
    pub has_gpus_or_models: bool,
    /// Time since which the host has not answered.
    pub silent: Option<Moment>,
    /// Notice about the last action.
    pub notice: Option<&'static str>,
    /// The last refusal.
    pub refused: Option<Problem>,
}

#[expect(clippy::unused_self, reason = "templates call these on the frame that they have")]
impl Frame {
    /// Creates the frame of a page for this caller.
    pub fn new(context: &Context, caller: &Caller, place: Place, title: impl Into<String>) -> Self {
        let silent = context.site.silent_since().map(Moment::new);
        Self { silent, has_gpus_or_models: context.site.has_gpus_or_models(), ..Self::bare(caller, place, title) }
    }

    /// Creates a frame without information about the site.
    pub fn bare(caller: &Caller, place: Place, title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            place,
            user: caller.user().map(str::to_owned),
            role: caller.role().unwrap_or(Role::Viewer),
            csrf: caller.form_token(),
            has_gpus_or_models: false,
            silent: None,
            notice: None,
            refused: None,
        }
    }

    /// Returns the frame with a notice about the last action.
    pub fn with(self, notice: Option<&'static str>) -> Self {
        Self { notice, ..self }
    }

    /// Returns the frame with the last refusal.
    pub fn refusing(self, refusal: Option<&Refusal>) -> Self {
        Self { refused: refusal.map(Refusal::problem), ..self }
    }

    /// Returns the pages about the site. The page of GPUs and models is for a site that has some, and is listed while
    /// it is open.
    pub fn site(&self) -> impl Iterator<Item = &'static Entry> {
        let is_listed = self.has_gpus_or_models || self.place == Place::Gpus;
        SITE.iter().filter(move |entry| is_listed || entry.place != Place::Gpus)
    }

    pub fn people(&self) -> &'static [Entry] {
        if self.is_administrator() { PEOPLE } else { &[] }
    }

    /// Returns every page that this caller may open, for the list behind a keyboard shortcut.
    pub fn goals(&self) -> Vec<Goal> {
        goals(SITE.iter().chain(self.people()))
    }

    pub fn is_here(&self, entry: &Entry) -> bool {
        self.place == entry.place
    }

    pub fn is_operator(&self) -> bool {
        self.role >= Role::Operator
    }

    pub fn is_administrator(&self) -> bool {
        self.role >= Role::Administrator
    }

    pub fn least_characters(&self) -> usize {
        LEAST_CHARACTERS
    }

    pub fn style(&self) -> String {
        STYLE.path()
    }

    pub fn script(&self) -> String {
        SCRIPT.path()
    }

    pub fn own_script(&self) -> String {
        OWN_SCRIPT.path()
    }

    pub fn palette_script(&self) -> String {
        PALETTE_SCRIPT.path()
    }

    pub fn upload_script(&self) -> String {
        UPLOAD_SCRIPT.path()
    }

    pub fn secret_script(&self) -> String {
        SECRET_SCRIPT.path()
    }

    pub fn icon(&self) -> String {
        ICON.path()
    }
}
