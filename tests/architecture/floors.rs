//! Imports: a module uses only modules on lower floors, and there are no cycles between files.

use std::collections::{BTreeMap, BTreeSet};

use crate::assert_none;
use crate::sources::{self, Source};

/// The modules, from the top down. Those on one floor do not import each other.
const FLOORS: &[&[&str]] = &[
    &["main"],
    &["commands"],
    &["pipeline"],
    &["report", "source", "archive", "destination", "drill"],
    &["exit_code"],
    &["config", "record"],
    &["disk", "https"],
    &["rules", "runtime", "cli"],
];

/// From a pair of modules such as `rules/retention`, the importing one first, to the place of an import.
type Uses = BTreeMap<(String, String), String>;

struct Modules {
    names: BTreeSet<String>,
    /// From the path of a re-export to the path of the original.
    exports: BTreeMap<String, Vec<String>>,
}

impl Modules {
    fn new(sources: &[Source]) -> Modules {
        let names = sources.iter().map(|source| source.module().join("/")).collect();
        let mut modules = Modules { names, exports: BTreeMap::new() };
        for source in sources {
            for path in source.paths.iter().filter(|path| path.is_exported) {
                let name = path.parts.last().into_iter().cloned();
                let exported = source.module().into_iter().chain(name).collect::<Vec<_>>().join("/");
                modules.exports.extend(modules.absolute(source, &path.parts).map(|original| (exported, original)));
            }
        }
        modules
    }

    /// `parts` as a path from the crate's root; `None` if it is outside this crate. A path may begin with a child module.
    fn absolute(&self, source: &Source, parts: &[String]) -> Option<Vec<String>> {
        if parts[0] == "crate" {
            return Some(parts[1..].to_vec());
        }
        let below = [source.module().as_slice(), parts].concat();
        let is_child = parts.len() > 1 && self.names.contains(&below[..=source.module().len()].join("/"));
        is_child.then_some(below)
    }

    /// The module that defines the item at `path`, resolving re-exports.
    fn defining(&self, path: &[String]) -> Option<String> {
        let length = (1..=path.len()).rev().find(|length| self.names.contains(&path[..*length].join("/")))?;
        let export = path.get(..=length).and_then(|path| self.exports.get(&path.join("/")));
        match export {
            Some(original) if original[..] != path[..] => self.defining(original),
            _ => Some(path[..length].join("/")),
        }
    }
}

fn uses(sources: &[Source]) -> Uses {
    let modules = Modules::new(sources);
    let mut uses = Uses::new();
    for source in sources {
        let from = source.name();
        for path in source.paths.iter().filter(|path| !path.is_exported) {
            let to = modules.absolute(source, &path.parts).and_then(|path| modules.defining(&path));
            if let Some(to) = to.filter(|to| *to != from) {
                uses.entry((from.clone(), to)).or_insert_with(|| source.place(path.line));
            }
        }
    }
    uses
}

fn top(module: &str) -> &str {
    module.split('/').next().unwrap_or(module)
}

/// Imports from the same floor or a higher one, and modules without a floor.
fn floor_breaches(sources: &[Source], floors: &[&[&str]]) -> Vec<String> {
    let floor = |module: &str| floors.iter().position(|floor| floor.contains(&top(module)));
    let unplaced = sources.iter().filter(|source| source.name() != "lib" && floor(&source.name()).is_none());
    let unplaced = unplaced.map(|source| format!("src/{} is on no floor", source.file));
    let upwards = uses(sources).into_iter().filter_map(|((from, to), place)| {
        let is_allowed = top(&from) == top(&to) || floor(&from) < floor(&to);
        (!is_allowed).then(|| format!("{place}: {from} must not import {to}"))
    });
    unplaced.chain(upwards).collect()
}

/// The groups of files that import each other, directly or indirectly; one line per group.
fn cycles(uses: &Uses) -> Vec<String> {
    let mut reachable: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (from, to) in uses.keys() {
        reachable.entry(from).or_default().insert(to);
    }
    loop {
        let mut next = reachable.clone();
        for (from, targets) in &reachable {
            let indirect = targets.iter().filter_map(|to| reachable.get(to)).flatten().copied();
            next.entry(from).or_default().extend(indirect);
        }
        if next == reachable {
            break;
        }
        reachable = next;
    }
    let reaches = |from: &str, to: &str| reachable.get(from).is_some_and(|targets| targets.contains(to));
    let groups = reachable.keys().filter(|module| reaches(module, module)).map(|module| {
        let group = reachable.keys().filter(|other| reaches(module, other) && reaches(other, module));
        group.copied().collect::<Vec<_>>().join(", ")
    });
    groups.collect::<BTreeSet<_>>().into_iter().collect()
}

#[test]
fn modules_import_only_modules_on_lower_floors() {
    let breaches = floor_breaches(&sources::all(), FLOORS);
    assert_none(&breaches);
}

#[test]
fn no_files_import_each_other() {
    assert_none(&cycles(&uses(&sources::all())));
}

#[test]
fn an_upward_import_is_found_in_every_form() {
    for text in [
        "use crate::report::mail;",
        "use crate::{report, rules};",
        "use super::super::report::mail::send;",
        "fn f() { crate::report::send(); }",
        "fn f() { tracing::info!(\"{}\", crate::report::send()); }",
    ] {
        let sources = [Source::parse("archive/tgz.rs", text), Source::parse("report/mod.rs", "")];
        assert_eq!(floor_breaches(&sources, FLOORS).len(), 1, "{text}");
        assert_none(&floor_breaches(&sources, &[&["archive"], &["report"]]));
    }
    assert_eq!(floor_breaches(&[Source::parse("unplaced.rs", "")], FLOORS).len(), 1);
}

#[test]
fn a_cycle_is_found_through_children_and_re_exports() {
    let cycle = |files: &[(&str, &str)]| {
        cycles(&uses(&files.iter().map(|(file, text)| Source::parse(file, text)).collect::<Vec<_>>()))
    };
    let child = ("rules/a/b.rs", "use super::X;");
    assert_eq!(cycle(&[("rules/a.rs", "mod b; struct X; fn f() { b::g(); }"), child]), ["rules/a, rules/a/b"]);
    assert_none(&cycle(&[("rules/a.rs", "mod b; struct X;"), child]));
    let exporting = ("rules/mod.rs", "mod a; mod b; pub use a::A;");
    let other = ("rules/b.rs", "pub struct B;");
    assert_eq!(
        cycle(&[exporting, ("rules/a.rs", "use super::b::B; pub struct A;"), ("rules/b.rs", "use crate::rules::A;")]),
        ["rules/a, rules/b"]
    );
    assert_none(&cycle(&[exporting, ("rules/a.rs", "use super::b::B; pub struct A;"), other]));
}
