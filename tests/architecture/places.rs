//! The places where each library, the clock and I/O may be used.

use crate::assert_none;
use crate::sources::{self, NamedPath, Source};

/// The files and folders below `src` in which each library may be used.
const LIBRARIES: &[(&str, &[&str])] = &[
    ("ssh2", &["destination/"]),
    // The configuration contains recipients, and commands pass identities on.
    ("age", &["archive/encryption.rs", "config/", "disk/identity.rs", "commands/"]),
    ("zip", &["archive/"]),
    ("tar", &["archive/"]),
    ("flate2", &["archive/"]),
    ("bzip2", &["archive/"]),
    ("deflate64", &["archive/"]),
    ("crc32fast", &["archive/"]),
    ("ureq", &["source/", "https/", "report/post.rs"]),
    // The configuration contains mailboxes.
    ("lettre", &["report/", "config/"]),
    ("landlock", &["drill/sandbox.rs"]),
    ("clap", &["cli.rs", "main.rs"]),
    ("clap_complete", &["cli.rs", "commands/completions.rs"]),
    ("clap_mangen", &["commands/man.rs"]),
    ("indicatif", &["runtime/progress.rs", "rules/units.rs"]),
    ("bytesize", &["cli.rs"]),
    // The configuration contains the job's zone.
    ("tz", &["config/zone.rs", "rules/job_zone.rs"]),
    (
        "schemars",
        &[
            "commands/json.rs",
            "commands/check/",
            "commands/list/document.rs",
            "exit_code.rs",
            "record/run_record.rs",
            "report/document.rs",
        ],
    ),
];

/// The files and folders below `src` without I/O and clock.
const PURE: &[&str] = &[
    "rules/",
    "record/run_record.rs",
    "record/task.rs",
    "report/document.rs",
    "report/message/",
    "report/mail/build.rs",
    "report/mail/html.rs",
    "report/mail/html/",
    "report/mattermost/attachment.rs",
    "report/mattermost/build.rs",
    "report/mattermost/markdown.rs",
    "report/metrics/text.rs",
    "commands/check/document.rs",
    "commands/check/findings.rs",
    "commands/list/table.rs",
    "commands/list/document.rs",
    "commands/restore/report.rs",
    "commands/verify/report.rs",
    "commands/summary.rs",
    "commands/status/plugin_line.rs",
];

const IO_TRAITS: [&str; 4] = ["Read", "Write", "Seek", "BufRead"];

fn is_below(file: &str, places: &[&str]) -> bool {
    places.iter().any(|place| file == *place || (place.ends_with('/') && file.starts_with(place)))
}

fn uses_library(path: &NamedPath, library: &str) -> bool {
    path.parts[0] == library && (path.parts.len() > 1 || path.is_import)
}

fn library_breaches(sources: &[Source]) -> Vec<String> {
    let mut breaches = Vec::new();
    for (library, places) in LIBRARIES {
        for source in sources.iter().filter(|source| !is_below(&source.file, places)) {
            let uses = source.paths.iter().filter(|path| uses_library(path, library));
            breaches.extend(
                uses.map(|path| format!("{}: {library} may be used only in {places:?}", source.place(path.line))),
            );
        }
    }
    breaches
}

fn reads_clock(path: &NamedPath) -> bool {
    ["Local", "Utc", "SystemTime"].iter().any(|clock| path.ends_with(&[clock, "now"]))
}

fn clock_breaches(sources: &[Source]) -> Vec<String> {
    let mut breaches = Vec::new();
    for source in sources {
        let zones = source.paths.iter().filter(|path| path.starts_with(&["chrono", "Local"]));
        breaches.extend(
            zones.map(|path| format!("{}: use the job's zone, from the configuration", source.place(path.line))),
        );
    }
    for source in sources.iter().filter(|source| source.file != "main.rs") {
        let reads = source.paths.iter().filter(|path| reads_clock(path));
        breaches.extend(reads.map(|path| {
            format!("{}: only main.rs reads the clock; take the time as a parameter", source.place(path.line))
        }));
    }
    breaches
}

fn is_impure(path: &NamedPath) -> bool {
    let parts: Vec<&str> = path.parts.iter().map(String::as_str).collect();
    match parts[..] {
        ["std", "io", item, ..] => !IO_TRAITS.contains(&item),
        ["std", "fs" | "net" | "io" | "process" | "env" | "thread" | "os", ..] => true,
        ["std", "time", "Instant" | "SystemTime" | "*", ..] | ["chrono", "Local", ..] => true,
        ["tracing" | "tracing_subscriber" | "tempfile" | "rustix", ..] => parts.len() > 1 || path.is_import,
        ["print" | "println" | "eprint" | "eprintln"] => true,
        _ => reads_clock(path) || path.ends_with(&["Instant", "now"]),
    }
}

fn purity_breaches(sources: &[Source]) -> Vec<String> {
    let mut breaches = Vec::new();
    for source in sources.iter().filter(|source| is_below(&source.file, PURE)) {
        let impure = source.paths.iter().filter(|path| is_impure(path));
        breaches.extend(
            impure.map(|path| format!("{}: {} in a pure module", source.place(path.line), path.parts.join("::"))),
        );
    }
    breaches
}

#[test]
fn each_library_is_used_only_in_its_places() {
    let sources = sources::all();
    assert_none(&library_breaches(&sources));
    for (library, places) in LIBRARIES {
        for place in *places {
            let users = sources.iter().filter(|source| is_below(&source.file, &[place]));
            let mut paths = users.flat_map(|source| &source.paths);
            assert!(
                paths.any(|path| uses_library(path, library)),
                "{library} is not used in {place}: remove the place"
            );
        }
    }
}

#[test]
fn only_main_reads_the_wall_clock() {
    let sources = sources::all();
    assert_none(&clock_breaches(&sources));
    assert!(sources.iter().any(|source| source.file == "main.rs" && source.paths.iter().any(reads_clock)));
}

#[test]
fn rules_record_and_messages_are_pure() {
    let sources = sources::all();
    assert_none(&purity_breaches(&sources));
    for place in PURE {
        assert!(sources.iter().any(|source| is_below(&source.file, &[place])), "{place} does not exist");
    }
}

#[test]
fn a_library_out_of_place_is_found() {
    for (file, text) in [
        ("source/client.rs", "use ssh2::Session;"),
        ("destination/upload.rs", "fn f(a: zip::ZipArchive<File>) {}"),
        ("report/mail.rs", "use {flate2, tar};"),
        ("report/mattermost/other.rs", "use ureq as http;"),
        ("commands/run.rs", "#[derive(clap::Args)] struct A(clap::ArgAction);"),
        ("pipeline.rs", "use indicatif::HumanBytes;"),
    ] {
        assert!(!library_breaches(&[Source::parse(file, text)]).is_empty(), "{file}: {text}");
    }
    let fine = "use crate::rules::units::HumanBytes; fn f(zip: Zip) { let tar = zip; }";
    assert_none(&library_breaches(&[Source::parse("pipeline.rs", fine)]));
}

#[test]
fn a_hidden_clock_is_found() {
    for text in ["fn f() { Local::now(); }", "fn f() { chrono::Utc::now() }", "fn f(a: A) { a.then(SystemTime::now) }"]
    {
        assert_eq!(clock_breaches(&[Source::parse("retry.rs", text)]).len(), 1, "{text}");
    }
    for text in ["use chrono::Local;", "use chrono::{DateTime, Local};", "fn f() { g(&chrono::Local); }"] {
        assert_eq!(clock_breaches(&[Source::parse("main.rs", text)]).len(), 1, "{text}");
    }
    let fine = "fn f() { Instant::now(); } #[cfg(test)] mod tests { fn g() { Utc::now(); } }";
    assert_none(&clock_breaches(&[Source::parse("retry.rs", fine)]));
}

#[test]
fn an_impure_call_is_found() {
    for text in [
        "use std::fs::File;",
        "use std::io;",
        "use std::io::{Read, stdout};",
        "fn f() { std::env::var(\"HOME\"); }",
        "use std::time::{Duration, Instant};",
        "use chrono::{Local, Utc};",
        "fn f() { tracing::debug!(\"x\"); }",
        "fn f() { println!(\"x\"); }",
    ] {
        assert_eq!(purity_breaches(&[Source::parse("rules/dump.rs", text)]).len(), 1, "{text}");
    }
    let fine = "use std::{fmt, io::Write}; use std::time::Duration; enum T { Instant } fn f() { T::Instant; }";
    assert_none(&purity_breaches(&[Source::parse("rules/dump.rs", fine)]));
}
