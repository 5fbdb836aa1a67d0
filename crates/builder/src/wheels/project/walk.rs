//! Traversal of a `uv.lock` from a project, along dependencies whose markers hold.

use std::collections::{BTreeSet, HashMap, HashSet};

use landfall_error_codes::codes;

use super::super::marker::{self, Environment};
use super::super::requirements::Refusal;
use super::Selection;
use super::text::Text;
use super::uv::{Dependency, Document, Package, value};
use crate::error::BuildError;

/// A package by its index, with or without one of its extras.
type Node<'a> = (usize, Option<&'a str>);

/// A traversal of the graph.
pub(super) struct Walk<'a> {
    text: &'a Text<'a>,
    packages: &'a [Package],
    by_name: HashMap<&'a str, Vec<usize>>,
    environment: Environment<'a>,
    seen: HashSet<Node<'a>>,
    /// Reached but unvisited nodes.
    open: Vec<Node<'a>>,
    faults: Vec<BuildError>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(text: &'a Text<'a>, document: &'a Document, environment: Environment<'a>) -> Self {
        let packages = document.packages.as_slice();
        let mut by_name: HashMap<_, Vec<usize>> = HashMap::new();
        for (position, package) in packages.iter().enumerate() {
            by_name.entry(package.name.get_ref().as_str()).or_default().push(position);
        }
        let (seen, open, faults) = Default::default();
        Self { text, packages, by_name, environment, seen, open, faults }
    }

    /// Visits everything that a project needs, with the chosen extras and groups.
    pub(super) fn reach_from(&mut self, project: usize, chosen: &'a Selection) {
        self.reach((project, None));
        for extra in &chosen.extras {
            self.reach((project, Some(extra.as_str())));
        }
        for group in chosen.groups() {
            let edges = self.packages[project].dev_dependencies.get(group);
            self.follow(project, edges.map(Vec::as_slice).unwrap_or_default());
        }
        while let Some((position, extra)) = self.open.pop() {
            let package = &self.packages[position];
            let edges = match extra {
                None => Some(&package.dependencies),
                Some(extra) => package.optional_dependencies.get(extra),
            };
            self.follow(position, edges.map(Vec::as_slice).unwrap_or_default());
        }
    }

    /// Indexes of the reached packages, and all errors.
    pub(super) fn finish(self) -> (BTreeSet<usize>, Vec<BuildError>) {
        (self.seen.into_iter().map(|(position, _)| position).collect(), self.faults)
    }

    fn reach(&mut self, node: Node<'a>) {
        if self.seen.insert(node) {
            self.open.push(node);
        }
    }

    fn follow(&mut self, from: usize, edges: &'a [Dependency]) {
        for edge in edges {
            let found = self.holds(edge).and_then(|holds| if holds { self.find(edge).map(Some) } else { Ok(None) });
            match found {
                Ok(None) => {}
                Ok(Some(position)) => {
                    self.reach((position, None));
                    for extra in &edge.extra {
                        self.reach((position, Some(extra.as_str())));
                    }
                }
                Err((code, what)) => {
                    let name = &self.packages[from].name;
                    self.faults.push(self.text.fault(name, code, what));
                }
            }
        }
    }

    /// Returns true if a dependency applies. Its marker also sees the extras that it requests itself.
    fn holds(&self, edge: &Dependency) -> Result<bool, Refusal> {
        let Some(marker) = &edge.marker else { return Ok(true) };
        let own = edge.extra.iter().map(|extra| value("extra", &edge.name, extra));
        let holds = marker::holds(marker, &self.environment.clone().with_more_extra(own));
        holds.map_err(|unknown| unknown.refusal(codes::PROJECT_LOCK_UNREADABLE))
    }

    /// The single package that a dependency names.
    fn find(&self, edge: &Dependency) -> Result<usize, Refusal> {
        let is_meant = |position: &usize| {
            let package = &self.packages[*position];
            (edge.version.is_none() || edge.version == package.version)
                && edge.source.as_ref().is_none_or(|source| *source == package.source)
        };
        let named = self.by_name.get(edge.name.as_str()).map(Vec::as_slice).unwrap_or_default();
        let found: Vec<_> = named.iter().copied().filter(|position| is_meant(position)).collect();
        let name = edge.name.escape_default();
        let unreadable = |what| (codes::PROJECT_LOCK_UNREADABLE, what);
        match found[..] {
            [position] => Ok(position),
            [] => Err(unreadable(format!("needs `{name}`, which the file does not have"))),
            _ => Err(unreadable(format!("needs `{name}`, of which the file has several versions"))),
        }
    }
}
