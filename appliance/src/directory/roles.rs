//! Mapping from groups to a role.

use serde::Deserialize;

use crate::role::Role;

/// Groups by role. Names are compared completely and exactly: parts of a name and patterns never match.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Roles {
    /// Groups of viewers.
    pub viewer: Vec<String>,
    /// Groups of operators.
    pub operator: Vec<String>,
    /// Groups of administrators.
    pub administrator: Vec<String>,
}

impl Roles {
    /// Returns the groups of a role.
    pub fn groups(&self, role: Role) -> &[String] {
        match role {
            Role::Viewer => &self.viewer,
            Role::Operator => &self.operator,
            Role::Administrator => &self.administrator,
        }
    }

    /// Returns the highest role of the groups. `is_same` compares a group of the settings with one of a person.
    pub fn highest(&self, groups: &[String], is_same: impl Fn(&str, &str) -> bool) -> Option<Role> {
        let has = |role: &Role| self.groups(*role).iter().any(|own| groups.iter().any(|group| is_same(own, group)));
        Role::ALL.into_iter().rev().find(has)
    }

    /// Returns true if no account could sign in.
    pub fn is_empty(&self) -> bool {
        Role::ALL.into_iter().all(|role| self.groups(role).is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn highest_role_counts() {
        let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let roles =
            Roles { viewer: list(&["all"]), operator: list(&["ops"]), administrator: list(&["cn=admins,dc=x"]) };
        let role = |groups: &[&str]| roles.highest(&list(groups), |own, group| own == group);
        assert_eq!(role(&["all", "ops"]), Some(Role::Operator));
        assert_eq!(role(&["cn=admins,dc=x", "all"]), Some(Role::Administrator));
        for groups in
            [&[][..], &[""], &["ALL"], &["op"], &["opsx"], &["x,cn=admins,dc=x"], &["cn=admins,dc=x,dc=y"], &["admins"]]
        {
            assert_eq!(role(groups), None, "{groups:?}");
        }
        assert!(Roles::default().is_empty() && !roles.is_empty());
    }
}
