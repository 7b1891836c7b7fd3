//! Which module may import which: a file uses only what is below it, and no two files import each other.

use std::collections::{BTreeMap, BTreeSet};

use crate::assert_none;
use crate::sources::{self, Source};

/// The modules, from the top down. Those on one floor don't import each other.
const FLOORS: &[&[&str]] = &[
    &["main"],
    &["commands"],
    &["pipeline"],
    &["report", "source", "archive", "destination"],
    &["exit_code"],
    &["config", "record"],
    &["disk", "https"],
    &["rules", "runtime", "cli"],
];

/// One file's use of another: both as module paths such as `rules/retention`, and where the first one names the second.
type Uses = BTreeMap<(String, String), String>;

/// Modules, and what each re-exports: from its path and name to the path of the original.
struct Modules {
    names: BTreeSet<String>,
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

    /// `parts` as a path from the crate's root, if it leads into this crate: a path may also begin with a child module.
    fn absolute(&self, source: &Source, parts: &[String]) -> Option<Vec<String>> {
        if parts[0] == "crate" {
            return Some(parts[1..].to_vec());
        }
        let below = [source.module().as_slice(), parts].concat();
        let is_child = parts.len() > 1 && self.names.contains(&below[..=source.module().len()].join("/"));
        is_child.then_some(below)
    }

    /// The module that defines what `path` names, through any re-exports.
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

/// Imports from the same floor or upwards, and modules without a floor.
fn floor_breaches(sources: &[Source], floors: &[&[&str]]) -> Vec<String> {
    let floor = |module: &str| floors.iter().position(|floor| floor.contains(&top(module)));
    let strangers = sources.iter().filter(|source| source.name() != "lib" && floor(&source.name()).is_none());
    let strangers = strangers.map(|source| format!("src/{} is on no floor", source.file));
    let upwards = uses(sources).into_iter().filter_map(|((from, to), place)| {
        let is_allowed = top(&from) == top(&to) || floor(&from) < floor(&to);
        (!is_allowed).then(|| format!("{place}: {from} must not import {to}"))
    });
    strangers.chain(upwards).collect()
}

/// The files that import each other, also through others: each group as one line.
fn cycles(uses: &Uses) -> Vec<String> {
    let mut reached: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (from, to) in uses.keys() {
        reached.entry(from).or_default().insert(to);
    }
    loop {
        let mut grown = reached.clone();
        for (from, targets) in &reached {
            let further = targets.iter().filter_map(|to| reached.get(to)).flatten().copied();
            grown.entry(from).or_default().extend(further);
        }
        if grown == reached {
            break;
        }
        reached = grown;
    }
    let reaches = |from: &str, to: &str| reached.get(from).is_some_and(|targets| targets.contains(to));
    let groups = reached.keys().filter(|module| reaches(module, module)).map(|module| {
        let group = reached.keys().filter(|other| reaches(module, other) && reaches(other, module));
        group.copied().collect::<Vec<_>>().join(", ")
    });
    groups.collect::<BTreeSet<_>>().into_iter().collect()
}

#[test]
fn modules_import_only_what_is_below_them() {
    let breaches = floor_breaches(&sources::all(), FLOORS);
    assert_none(&breaches);
}

#[test]
fn no_files_import_each_other() {
    assert_none(&cycles(&uses(&sources::all())));
}

#[test]
fn an_import_upwards_is_found_in_every_form() {
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
    assert_eq!(floor_breaches(&[Source::parse("stranger.rs", "")], FLOORS).len(), 1);
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
