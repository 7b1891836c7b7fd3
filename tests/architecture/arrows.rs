//! Which module may know which: `commands → pipeline → the rooms → the mechanisms`, `commands → report → run_record →
//! rules`.

use std::collections::{BTreeMap, BTreeSet};

use crate::assert_none;
use crate::sources::{self, Source};

/// Every arrow that there is. A new one is a decision: write it here, or do without.
const ARROWS: &[(&str, &[&str])] = &[
    ("main", &["cli", "clock", "commands", "config", "exit_code"]),
    // Wires everything together.
    (
        "commands",
        &[
            "archive",
            "cli",
            "clock",
            "config",
            "destination",
            "disk",
            "error_chain",
            "exit_code",
            "interrupt",
            "journal",
            "lock",
            "pipeline",
            "progress",
            "report",
            "report/message",
            "retry",
            "rules",
            "run_record",
            "source",
            "spool",
        ],
    ),
    (
        "pipeline",
        &[
            "archive",
            "clock",
            "config",
            "destination",
            "disk",
            "error_chain",
            "fault_point",
            "interrupt",
            "journal",
            "progress",
            "retry",
            "rules",
            "run_record",
            "source",
            "spool",
        ],
    ),
    // The rooms, which know neither each other nor what they are for.
    ("source", &["config", "disk", "interrupt", "progress", "retry", "rules"]),
    ("archive", &["config", "interrupt", "rules"]),
    (
        "destination",
        &["config", "disk", "error_chain", "fault_point", "interrupt", "progress", "retry", "rules", "spool"],
    ),
    // Telling.
    ("report", &["child", "clock", "config", "disk", "report/message", "rules", "run_record"]),
    ("report/message", &["config", "rules", "run_record"]),
    ("journal", &["run_record"]),
    ("run_record", &["rules"]),
    // What was asked for.
    ("config", &["disk", "job_id", "rules"]),
    ("disk", &["rules"]),
    // One mechanism each.
    ("exit_code", &["rules", "run_record"]),
    ("interrupt", &["run_record"]),
    ("lock", &["job_id", "state_folder"]),
    ("retry", &["config", "error_chain", "interrupt"]),
];

const ROOMS: [&str; 3] = ["source", "archive", "destination"];

/// The module that a file, or a path below `crate`, belongs to.
fn module<'a>(mut parts: impl Iterator<Item = &'a str>) -> String {
    match (parts.next(), parts.next()) {
        (Some("report"), Some("message")) => "report/message".to_owned(),
        (first, _) => first.unwrap_or_default().to_owned(),
    }
}

/// The arrows that `sources` draw, each with one place that does.
fn drawn(sources: &[Source]) -> BTreeMap<(String, String), String> {
    let mut arrows = BTreeMap::new();
    for source in sources {
        let from = module(source.file.trim_end_matches(".rs").split('/'));
        for path in source.paths.iter().filter(|path| path.begins_with(&["crate"])) {
            let to = module(path.parts.iter().skip(1).map(String::as_str));
            let is_alone = to.is_empty() && !path.is_import;
            if to != from && !is_alone {
                arrows.entry((from.clone(), to)).or_insert_with(|| source.place(path.line));
            }
        }
    }
    arrows
}

fn faults(sources: &[Source], table: &[(&str, &[&str])]) -> Vec<String> {
    let allowed: BTreeSet<(String, String)> = table
        .iter()
        .flat_map(|(from, targets)| targets.iter().map(|to| ((*from).to_owned(), (*to).to_owned())))
        .collect();
    let drawn = drawn(sources);
    let forbidden = drawn
        .iter()
        .filter(|(arrow, _)| !allowed.contains(*arrow))
        .map(|((from, to), place)| format!("{place}: {from} must not know {to}"));
    let unused = allowed
        .iter()
        .filter(|arrow| !drawn.contains_key(*arrow))
        .map(|(from, to)| format!("{from} → {to} is allowed, but nothing uses it: take it out of the table"));
    forbidden.chain(unused).collect()
}

#[test]
fn modules_know_only_what_they_may() {
    assert_none(&faults(&sources::all(), ARROWS));
}

#[test]
fn the_table_itself_keeps_the_shape() {
    let may = |from: &str, to: &str| ARROWS.iter().any(|(it, targets)| *it == from && targets.contains(&to));
    for room in ROOMS {
        for other in ROOMS.iter().chain(&["pipeline", "report", "report/message", "commands", "run_record", "journal"])
        {
            assert!(!may(room, other), "{room} → {other}");
        }
        assert!(!may("config", room) && !may("report", room), "{room}");
    }
    assert!(!may("pipeline", "report") && !may("pipeline", "report/message") && !may("report", "pipeline"));
    for (from, only) in [("config", &["disk", "job_id", "rules"][..]), ("run_record", &["rules"])] {
        assert_eq!(ARROWS.iter().find(|(it, _)| *it == from).unwrap().1, only);
    }
    assert!(!ARROWS.iter().any(|(from, _)| *from == "rules"), "rules know nothing but themselves");
    assert!(!ARROWS.iter().any(|(from, targets)| *from != "main" && targets.contains(&"commands")));
}

#[test]
fn a_forbidden_arrow_is_found_however_it_is_drawn() {
    for text in [
        "use crate::report::mail;",
        "use crate::{report, rules};",
        "use super::super::report::mail::send;",
        "fn f() { crate::report::send(); }",
        "fn f() { tracing::info!(\"{}\", crate::report::send()); }",
        "use crate::*;",
        "use crate as everything;",
    ] {
        let table: &[(&str, &[&str])] = &[("archive", &["rules"])];
        let faults = faults(&[Source::parse("archive/tgz.rs", text)], table);
        assert!(faults.iter().any(|fault| fault.contains("archive must not know")), "{text}: {faults:?}");
    }
}

#[test]
fn an_arrow_that_nothing_draws_is_found() {
    let source = Source::parse("archive/tgz.rs", "use crate::rules::dump; use super::error; pub(crate) struct A;");
    assert_eq!(faults(&[source], &[("archive", &["rules", "spool"])]).len(), 1);
}
