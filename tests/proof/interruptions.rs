//! Drills that are interrupted or killed leave nothing, or nothing after the next drill.

use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use testkit::{Setup, wait_until};

use super::fixture::{delivered, drill};

/// Takes three seconds to load.
const SLOW: &str = "--\n-- PostgreSQL database dump\n--\nCREATE TABLE slow(id int);\nSELECT pg_sleep(3);\n\
    --\n-- PostgreSQL database dump complete\n--\n";

/// The processes with a file or variable in `folder`.
fn processes(folder: &Path) -> usize {
    let folder = folder.to_str().unwrap();
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let is_there = |path: &Path| {
        let environment = fs::read(path.join("environ")).unwrap_or_default();
        String::from_utf8_lossy(&environment).contains(&format!("TMPDIR={folder}"))
            || fs::read_link(path.join("cwd")).is_ok_and(|cwd| cwd.starts_with(folder))
    };
    entries.filter(|entry| is_there(&entry.path())).count()
}

/// A drill whose server is loading the dump.
fn loading(setup: &Setup) -> Child {
    let mut command = setup.command_of("drill", &[]);
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait_until("the start of the server", || processes(&setup.path("work")) > 3);
    child
}

fn send(child: &Child, signal: Signal) {
    kill_process(Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap(), signal).unwrap();
}

#[test]
fn the_drill_after_a_killed_one_clears_what_was_left() {
    let setup = delivered(SLOW);
    let mut child = loading(&setup);
    send(&child, Signal::KILL);
    child.wait().unwrap();
    assert!(!setup.work_directory_is_empty());
    drill(&setup).exited_with(0);
    assert_eq!(processes(&setup.path("work")), 0);
}

#[test]
fn a_signal_ends_a_drill_within_seconds_and_leaves_nothing() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let setup = delivered(&SLOW.replace("pg_sleep(3)", "pg_sleep(60)"));
        let mut child = loading(&setup);
        let begun = Instant::now();
        send(&child, signal);
        assert_eq!(child.wait().unwrap().code(), Some(code));
        assert!(begun.elapsed() < Duration::from_secs(6), "{:?}", begun.elapsed());
        assert!(setup.work_directory_is_empty() && processes(&setup.path("work")) == 0);
        let list = setup.call("list", &[]).stdout;
        assert!(list.contains("never passed\n"), "an interrupted drill says nothing: {list}");
    }
}

#[test]
fn a_drill_ends_at_its_time_limit() {
    let mut setup = delivered(&SLOW.replace("pg_sleep(3)", "pg_sleep(600)"));
    setup.config["drill"] = json!({"timeout_minutes": 1});
    let begun = Instant::now();
    let outcome = drill(&setup);
    assert!(outcome.exited_with(4).stderr.contains("(drill.timeout_minutes)"), "{}", outcome.all());
    assert!(begun.elapsed() < Duration::from_secs(100));
}
