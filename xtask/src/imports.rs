//! Imports between the top-level modules of a crate. Modules that import each other, directly or through others, form a
//! knot: none of them can be understood, tested or moved alone.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

/// Names of a module from the root of its crate, such as `bundle::locate`.
type ModulePath = Vec<String>;

/// Top-level modules of a crate, each with the top-level modules that its code names. Code for tests is excluded.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Imports(BTreeMap<String, BTreeSet<String>>);

impl Imports {
    /// Reads the sources of a crate: paths below `src`, and their text.
    pub fn of_sources<'a>(sources: impl IntoIterator<Item = (&'a Path, &'a str)>) -> Result<Self> {
        let mut files = Vec::new();
        let mut test_modules = BTreeSet::new();
        for (path, text) in sources {
            let tokens = text.parse::<TokenStream>().map_err(|error| anyhow::anyhow!("{}: {error}", path.display()))?;
            let module = module_of(path).with_context(|| format!("{} is not a module", path.display()))?;
            let mut walk = Walk::default();
            walk.block(tokens, &module);
            test_modules.append(&mut walk.test_modules);
            files.push((module, walk.paths));
        }
        files.retain(|(module, _)| !(1..=module.len()).any(|length| test_modules.contains(&module[..length])));
        let mut imports: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (module, _) in &files {
            imports.extend(module.first().map(|top| (top.clone(), BTreeSet::new())));
        }
        for (module, paths) in files {
            let Some(top) = module.first() else { continue };
            let named = paths.into_iter().filter_map(|path| path.into_iter().next());
            let named: Vec<_> = named.filter(|name| name != top && imports.contains_key(name)).collect();
            imports.entry(top.clone()).or_default().extend(named);
        }
        Ok(Self(imports))
    }

    /// Knots: groups of modules in which each module reaches every other one.
    pub fn knots(&self) -> Vec<BTreeSet<&str>> {
        let reached: BTreeMap<&str, BTreeSet<&str>> =
            self.0.keys().map(|module| (module.as_str(), self.reached_from(module))).collect();
        let mut knots: Vec<BTreeSet<&str>> = Vec::new();
        for (module, others) in &reached {
            let knot: BTreeSet<&str> = others.iter().copied().filter(|other| reached[other].contains(module)).collect();
            if knot.len() > 1 && !knots.contains(&knot) {
                knots.push(knot);
            }
        }
        knots
    }

    /// Modules that a module imports, directly or through others; the module itself is one of them if it is in a knot.
    fn reached_from(&self, module: &str) -> BTreeSet<&str> {
        let mut reached = BTreeSet::new();
        let mut next: Vec<&str> = self.0[module].iter().map(String::as_str).collect();
        while let Some(module) = next.pop() {
            if reached.insert(module) {
                next.extend(self.0[module].iter().map(String::as_str));
            }
        }
        reached
    }
}

/// Fails if modules of a crate are in a knot.
pub fn refuse_knots(name: &str, imports: &Imports) -> Result<()> {
    let knots = imports.knots();
    let shown: Vec<_> = knots.iter().map(|knot| knot.iter().copied().collect::<Vec<_>>().join(", ")).collect();
    ensure!(knots.is_empty(), "{name}: these modules import each other: {}", shown.join("; "));
    Ok(())
}

/// Returns the module that a file below `src` holds; the root of a crate is empty.
fn module_of(path: &Path) -> Option<ModulePath> {
    let mut names: ModulePath =
        path.with_extension("").iter().map(|name| name.to_str().map(str::to_owned)).collect::<Option<_>>()?;
    let is_root = names.len() == 1 && ["lib", "main"].contains(&names[0].as_str());
    if is_root || names.last().is_some_and(|name| name == "mod") {
        names.pop();
    }
    Some(names)
}

/// Walk over the tokens of one file.
#[derive(Default)]
struct Walk {
    /// Paths from the root of the crate that are named outside tests.
    paths: Vec<ModulePath>,
    /// Modules that are compiled for tests only.
    test_modules: BTreeSet<ModulePath>,
}

impl Walk {
    /// Walks over the contents of a file, block or macro call in this module.
    fn block(&mut self, tokens: TokenStream, module: &[String]) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            at = match token {
                TokenTree::Punct(punct) if punct.as_char() == '#' => match tokens.get(at + 1) {
                    Some(TokenTree::Group(attribute)) if is_for_tests(attribute) => {
                        self.skip_item(&tokens, at + 2, module)
                    }
                    _ => at + 1,
                },
                TokenTree::Ident(word) if word == "use" => self.use_tree(&tokens, at + 1, module, &[]),
                TokenTree::Ident(word) if word == "mod" => self.inline_module(&tokens, at, module),
                TokenTree::Ident(word) if word == "crate" || word == "super" => self.path(&tokens, at, module),
                TokenTree::Group(group) => {
                    self.block(group.stream(), module);
                    at + 1
                }
                _ => at + 1,
            };
        }
    }

    /// Skips the item for tests whose attribute ends before `at`, and notes its module.
    fn skip_item(&mut self, tokens: &[TokenTree], mut at: usize, module: &[String]) -> usize {
        while let Some(token) = tokens.get(at) {
            match (token, tokens.get(at + 1)) {
                (TokenTree::Ident(word), Some(TokenTree::Ident(name))) if word == "mod" => {
                    self.test_modules.insert([module, &[name.to_string()]].concat());
                }
                (TokenTree::Group(group), _) if group.delimiter() == Delimiter::Brace => return at + 1,
                (TokenTree::Punct(punct), _) if punct.as_char() == ';' => return at + 1,
                _ => {}
            }
            at += 1;
        }
        at
    }

    /// Walks over `mod name { … }`, whose contents are one level below.
    fn inline_module(&mut self, tokens: &[TokenTree], at: usize, module: &[String]) -> usize {
        let (Some(TokenTree::Ident(name)), Some(TokenTree::Group(group))) = (tokens.get(at + 1), tokens.get(at + 2))
        else {
            return at + 1;
        };
        self.block(group.stream(), &[module, &[name.to_string()]].concat());
        at + 3
    }

    /// Walks over a `use` tree; `before` are the names that precede it.
    fn use_tree(&mut self, tokens: &[TokenTree], mut at: usize, module: &[String], before: &[String]) -> usize {
        // `use<'a>` in a type captures lifetimes.
        if matches!(tokens.get(at), Some(TokenTree::Punct(punct)) if punct.as_char() == '<') {
            return at;
        }
        let mut path = before.to_vec();
        while let Some(token) = tokens.get(at) {
            at += 1;
            match token {
                TokenTree::Ident(word) if word == "as" => at += 1,
                TokenTree::Ident(word) => path.push(word.to_string()),
                TokenTree::Group(group) => {
                    let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                    let mut next = 0;
                    while next < inner.len() {
                        next = self.use_tree(&inner, next, module, &path);
                    }
                    return at;
                }
                TokenTree::Punct(punct) if [';', ','].contains(&punct.as_char()) => break,
                _ => {}
            }
        }
        self.add(module, &path);
        at
    }

    /// Walks over a path in an expression or a type, such as `crate::error::Result`.
    fn path(&mut self, tokens: &[TokenTree], mut at: usize, module: &[String]) -> usize {
        let mut path = Vec::new();
        while let Some(TokenTree::Ident(name)) = tokens.get(at) {
            path.push(name.to_string());
            at += 1;
            let is_colon = |token: &&TokenTree| matches!(token, TokenTree::Punct(punct) if punct.as_char() == ':');
            if tokens[at..].iter().take_while(is_colon).count() < 2 {
                break;
            }
            at += 2;
        }
        self.add(module, &path);
        at
    }

    /// Adds a path as named in this module, if it begins in this crate.
    fn add(&mut self, module: &[String], path: &[String]) {
        let up = path.iter().take_while(|name| *name == "super").count();
        let from_root = match path.first().map(String::as_str) {
            Some("crate") => path[1..].to_vec(),
            Some("super") => [&module[..module.len().saturating_sub(up)], &path[up..]].concat(),
            _ => return,
        };
        self.paths.push(from_root);
    }
}

/// Returns true for the attribute `cfg(test)`, alone or as one of several conditions.
fn is_for_tests(attribute: &Group) -> bool {
    let words = attribute.stream().to_string();
    let words: Vec<&str> = words.split(|letter: char| !letter.is_alphanumeric() && letter != '_').collect();
    words.first() == Some(&"cfg") && words.contains(&"test") && !words.contains(&"not")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn imports(sources: &[(&str, &str)]) -> Imports {
        Imports::of_sources(sources.iter().map(|(path, text)| (Path::new(*path), *text))).unwrap()
    }

    #[test]
    fn mutual_imports_are_a_knot() {
        let tied = imports(&[
            ("lib.rs", "mod a; mod b; mod c; pub use a::A;"),
            ("a.rs", "use crate::b::{self, B}; pub struct A;"),
            ("b/mod.rs", "mod inner; use crate::error::{Result};"),
            ("b/inner.rs", "fn f() -> Vec<crate::c::C> { vec![] }"),
            ("c.rs", "fn f() { println!(\"{}\", super::a::A) }"),
            ("d.rs", "use crate::a::A;"),
        ]);
        assert_eq!(tied.knots(), [BTreeSet::from(["a", "b", "c"])]);
        assert_eq!(
            refuse_knots("sample", &tied).unwrap_err().to_string(),
            "sample: these modules import each other: a, b, c"
        );
    }

    #[test]
    fn imports_of_tests_are_excluded() {
        let untied = imports(&[
            ("main.rs", "mod a; mod b; #[cfg(test)] mod testing;"),
            (
                "a.rs",
                "use crate::b::B; #[cfg(test)] mod tests { use crate::c::C; } \
                 #[cfg(any(test, feature = \"x\"))] use crate::c;",
            ),
            ("b.rs", "#[cfg(test)]\n#[path = \"b_tests.rs\"]\nmod tests;\n#[cfg(not(test))] use crate::c::C;"),
            ("b/tests.rs", "use crate::a::A;"),
            ("c.rs", "use super::testing;"),
            ("testing.rs", "use crate::{a, b};"),
        ]);
        assert_eq!(untied.knots(), Vec::<BTreeSet<&str>>::new());
        assert_eq!(untied.0.keys().map(String::as_str).collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!(untied.0["b"], BTreeSet::from(["c".to_owned()]));
        refuse_knots("sample", &untied).unwrap();
    }

    #[test]
    fn module_above_is_resolved() {
        let found = imports(&[
            ("a/deep/mod.rs", "use super::super::b; use super::near;"),
            ("b.rs", "mod inline { use super::super::c::C as D; }"),
            ("c.rs", ""),
        ]);
        assert_eq!(found.0["a"], BTreeSet::from(["b".to_owned()]));
        assert_eq!(found.0["b"], BTreeSet::from(["c".to_owned()]));
    }
}
