//! The only table of routes and rights.

use axum::http::Method;

use crate::people::{Role, Scope};

/// Requirement of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// No requirement.
    Open,
    /// No rights, but a form token if something is sent.
    Form,
    /// Page for signed-in users with at least this role.
    Page(Role),
    /// API: a session or a key of a user with at least this role; a key also needs the scope.
    Api(Role, Scope),
    /// API, but not for keys.
    ApiSession(Role),
}

/// A route with its requirements.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// `GET`, which includes `HEAD`, `OPTIONS`, or a method that changes something.
    pub method: &'static Method,
    /// Path as given to the router.
    pub path: &'static str,
    /// Required rights.
    pub need: Need,
    /// Required age of the proof of identity.
    pub proof: Proof,
}

/// Required age of the proof that the person at a session's browser is its user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// As old as the session.
    OfSession,
    /// A few minutes, for actions that outlive the session: a thief of a cookie would begin with them.
    Recent,
}

impl Rule {
    /// Returns the same rule for a recent proof only. A key was created with such a proof, and its scope limits it.
    const fn recent(self) -> Self {
        Self { proof: Proof::Recent, ..self }
    }

    /// Returns the rule of a request; `None` if no route matches.
    pub fn find(method: &Method, path: &str) -> Option<&'static Self> {
        let method = if method == Method::HEAD { &Method::GET } else { method };
        RULES.iter().find(|rule| rule.method == method && rule.path == path)
    }

    /// Returns true if such a request changes something.
    pub fn changes(&self) -> bool {
        self.method != Method::GET && self.method != Method::OPTIONS
    }

    /// Returns the methods of a path for the header `Allow`; empty if no route has it.
    pub fn methods(path: &str) -> Vec<&'static str> {
        let rules = RULES.iter().filter(|rule| rule.path == path);
        let mut methods: Vec<&str> = rules.map(|rule| rule.method.as_str()).collect();
        if methods.contains(&Method::GET.as_str()) {
            methods.push("HEAD");
        }
        methods
    }
}

const fn rule(method: &'static Method, path: &'static str, need: Need) -> Rule {
    Rule { method, path, need, proof: Proof::OfSession }
}

const fn get(path: &'static str, need: Need) -> Rule {
    rule(&Method::GET, path, need)
}

const fn post(path: &'static str, need: Need) -> Rule {
    rule(&Method::POST, path, need)
}

const VIEWER: Need = Need::Page(Role::Viewer);
const ADMINISTRATOR: Need = Need::Page(Role::Administrator);
const OPERATOR: Need = Need::Page(Role::Operator);
const READ: Need = Need::Api(Role::Viewer, Scope::Read);
const PLAN: Need = Need::Api(Role::Operator, Scope::Upgrade);
const APPROVE: Need = Need::Api(Role::Administrator, Scope::Upgrade);
const SUPPORT: Need = Need::Api(Role::Operator, Scope::Support);
const PEOPLE: Need = Need::Api(Role::Administrator, Scope::People);

/// All routes.
pub const RULES: &[Rule] = &[
    get("/health", Need::Open),
    get("/health/live", Need::Open),
    get("/assets/{name}", Need::Open),
    get("/handbook", Need::Open),
    get("/handbook/{*name}", Need::Open),
    get("/sign-in", Need::Form),
    post("/sign-in", Need::Form),
    get("/sign-in/directory", Need::Form),
    get("/sign-in/directory/again", VIEWER),
    get("/sign-in/directory/return", Need::Form),
    get("/sign-in/directory/end", Need::Form),
    get("/first", Need::Form),
    post("/first", Need::Form),
    post("/sign-out", VIEWER),
    get("/", VIEWER),
    get("/live/overview", VIEWER),
    get("/live/news", VIEWER),
    get("/components", VIEWER),
    get("/live/components", VIEWER),
    get("/components/{name}", VIEWER),
    get("/live/components/{name}", VIEWER),
    get("/releases", VIEWER),
    post("/releases/plan", OPERATOR),
    get("/activity", VIEWER),
    get("/live/activity", VIEWER),
    get("/upgrade", VIEWER),
    get("/live/upgrade", VIEWER),
    get("/upgrade/plans/{id}", VIEWER),
    post("/upgrade/look", OPERATOR),
    post("/upgrade/plan", OPERATOR),
    post("/upgrade/upload/remove", OPERATOR),
    post("/upgrade/ask", OPERATOR),
    post("/upgrade/approve", ADMINISTRATOR),
    post("/upgrade/abort", ADMINISTRATOR),
    get("/backups", VIEWER),
    get("/live/backups", VIEWER),
    post("/backups", OPERATOR),
    post("/backups/drill", OPERATOR),
    post("/backups/schedule", OPERATOR),
    get("/restore", VIEWER),
    get("/live/restore", VIEWER),
    get("/restore/plans/{id}", VIEWER),
    post("/restore/plan", OPERATOR),
    post("/restore/ask", OPERATOR),
    post("/restore/approve", ADMINISTRATOR),
    post("/restore/abort", ADMINISTRATOR),
    get("/settings", VIEWER),
    get("/live/settings", VIEWER),
    get("/settings/plans/{id}", VIEWER),
    post("/settings/plan", OPERATOR),
    post("/settings/secret", ADMINISTRATOR),
    post("/settings/ask", OPERATOR),
    post("/settings/approve", ADMINISTRATOR),
    post("/settings/abort", ADMINISTRATOR),
    get("/license", VIEWER),
    post("/license", ADMINISTRATOR),
    get("/node", VIEWER),
    get("/live/node", VIEWER),
    get("/gpus", VIEWER),
    get("/live/gpus", VIEWER),
    get("/dashboard", VIEWER),
    get("/live/dashboard", VIEWER),
    get("/dashboard/files/{name}", VIEWER),
    get("/support", VIEWER),
    get("/live/support", VIEWER),
    post("/support/collect", OPERATOR),
    get("/support/bundle/{id}", OPERATOR),
    get("/account", VIEWER),
    post("/account/password", VIEWER),
    post("/account/sessions", VIEWER),
    post("/account/sessions/{id}", VIEWER),
    get("/users", ADMINISTRATOR),
    post("/users", ADMINISTRATOR).recent(),
    get("/users/{name}", ADMINISTRATOR),
    post("/users/{name}/role", ADMINISTRATOR).recent(),
    post("/users/{name}/password", ADMINISTRATOR).recent(),
    post("/users/{name}/disable", ADMINISTRATOR).recent(),
    post("/users/{name}/enable", ADMINISTRATOR).recent(),
    post("/users/{name}/remove", ADMINISTRATOR).recent(),
    get("/keys", ADMINISTRATOR),
    post("/keys", ADMINISTRATOR).recent(),
    post("/keys/{id}/remove", ADMINISTRATOR).recent(),
    get("/audit", ADMINISTRATOR),
    get("/approval", ADMINISTRATOR),
    post("/approval/on", ADMINISTRATOR).recent(),
    post("/approval/off", ADMINISTRATOR).recent(),
    post("/approval/count", ADMINISTRATOR).recent(),
    post("/approval/{id}/approve", ADMINISTRATOR),
    post("/approval/{id}/withdraw", OPERATOR),
    get("/api-reference", VIEWER),
    get("/api/v1/openapi.json", READ),
    get("/api/v1/status", READ),
    get("/api/v1/gpus", READ),
    get("/api/v1/components/{name}/resources", READ),
    get("/api/v1/releases", READ),
    get("/api/v1/history", READ),
    get("/api/v1/backups", READ),
    post("/api/v1/backups", Need::Api(Role::Operator, Scope::Backup)),
    post("/api/v1/drills", Need::Api(Role::Operator, Scope::Backup)),
    get("/api/v1/settings", READ),
    post("/api/v1/secrets", APPROVE),
    get("/api/v1/license", READ),
    post("/api/v1/license", Need::Api(Role::Administrator, Scope::License)),
    get("/api/v1/usage", READ),
    get("/api/v1/usage/report", READ),
    get("/api/v1/trend", READ),
    get("/api/v1/operation", READ),
    get("/api/v1/operation/events", READ),
    get("/api/v1/media", READ),
    post("/api/v1/media", PLAN),
    rule(&Method::OPTIONS, "/api/v1/uploads", PLAN),
    get("/api/v1/uploads", PLAN),
    post("/api/v1/uploads", PLAN),
    get("/api/v1/uploads/{id}", PLAN),
    rule(&Method::PATCH, "/api/v1/uploads/{id}", PLAN),
    rule(&Method::DELETE, "/api/v1/uploads/{id}", PLAN),
    post("/api/v1/plans", PLAN),
    get("/api/v1/plans/{id}", READ),
    get("/api/v1/requests/{id}", READ),
    post("/api/v1/upgrades", APPROVE),
    post("/api/v1/rollbacks", APPROVE),
    post("/api/v1/restores", APPROVE),
    post("/api/v1/configurations", APPROVE),
    post("/api/v1/operations/abort", APPROVE),
    get("/api/v1/approvals", READ),
    post("/api/v1/approvals", PLAN),
    post("/api/v1/approvals/{id}", APPROVE),
    rule(&Method::DELETE, "/api/v1/approvals/{id}", PLAN),
    get("/api/v1/support", SUPPORT),
    post("/api/v1/support", SUPPORT),
    get("/api/v1/support/{id}", SUPPORT),
    get("/api/v1/users", PEOPLE),
    post("/api/v1/users", PEOPLE).recent(),
    rule(&Method::PATCH, "/api/v1/users/{name}", PEOPLE).recent(),
    rule(&Method::DELETE, "/api/v1/users/{name}", PEOPLE).recent(),
    post("/api/v1/session/proof", Need::ApiSession(Role::Viewer)),
    get("/api/v1/sessions", PEOPLE),
    rule(&Method::DELETE, "/api/v1/sessions/{id}", PEOPLE),
    get("/api/v1/keys", PEOPLE),
    post("/api/v1/keys", Need::ApiSession(Role::Administrator)).recent(),
    rule(&Method::DELETE, "/api/v1/keys/{id}", PEOPLE).recent(),
    get("/api/v1/audit", Need::Api(Role::Administrator, Scope::Audit)),
    get("/api/v1/audit/syslog", Need::Api(Role::Administrator, Scope::Audit)),
    get("/metrics", Need::Api(Role::Viewer, Scope::Metrics)),
];
