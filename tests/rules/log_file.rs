//! The lines of the log file and of the record.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use chrono::DateTime;
use scripting_system::config::{Log, LogFormat, LogLevel, LogTarget};
use scripting_system::record::journal::Journal;
use scripting_system::record::run_record::RunRecord;
use scripting_system::record::task::Task;
use scripting_system::report::log::log_file::*;
use scripting_system::rules::redaction::Redaction;
use scripting_system::runtime::clock::Clock;
use tracing_subscriber::layer::SubscriberExt as _;

fn clock() -> Clock {
    Arc::new(|| DateTime::parse_from_rfc3339("2026-11-23T23:00:01.123+01:00").unwrap())
}

fn journal() -> Journal {
    let today = chrono::NaiveDate::from_ymd_opt(2026, 11, 23).unwrap();
    let redaction = Redaction::new(&["hunter22".into()]);
    Journal::new(RunRecord::new("r1".to_owned(), "db1".to_owned(), today, clock()(), redaction))
}

/// The text of a new log file and the log lines of the record after `act`.
fn logged(format: LogFormat, level: LogLevel, act: impl FnOnce(&Journal)) -> (String, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("log.log");
    let journal = journal();
    let log_file = LogFile::open(&Log { file: LogTarget::File(file.clone()), format, level }, journal.clone(), clock());
    tracing::subscriber::with_default(tracing_subscriber::registry().with(log_file.clone()), || act(&journal));
    assert_eq!(log_file.error(), None);
    let lines = journal.read(|record| record.log_lines.clone());
    (fs::read_to_string(file).unwrap(), lines)
}

#[test]
fn a_completed_task_is_logged_in_the_file_and_the_record() {
    let (file, lines) = logged(LogFormat::Text, LogLevel::Info, |journal| {
        journal.begin(Task::RequestZip).done("12 bytes with hunter22");
    });
    assert_eq!(file, "2026-11-23T23:00:01.123+01:00 INFO    [r1] Request zip: 12 bytes with [redacted]\n");
    assert_eq!(lines, [file.trim_end()]);
}

#[test]
fn an_event_without_a_task_gets_the_current_task() {
    let (file, _) = logged(LogFormat::Text, LogLevel::Info, |journal| {
        journal.begin(Task::SendArchive).leave_unfinished();
        tracing::warn!(target: "scripting_system", "slow");
    });
    assert_eq!(file, "2026-11-23T23:00:01.123+01:00 WARNING [r1] Send archive: slow\n");
}

#[test]
fn an_event_without_a_task_gets_the_task_of_its_thread() {
    let (file, _) = logged(LogFormat::Text, LogLevel::Info, |journal| {
        let _packing = journal.begin(Task::PackArchive);
        journal.begin(Task::SendArchive).leave_unfinished();
        tracing::warn!(target: "scripting_system", "slow");
    });
    assert_eq!(file, "2026-11-23T23:00:01.123+01:00 WARNING [r1] Pack archive: slow\n");
}

#[test]
fn events_of_libraries_are_not_logged() {
    let (file, _) = logged(LogFormat::Text, LogLevel::Debug, |_| {
        tracing::error!(target: "lettre", "AUTH PLAIN aHVudGVyMjI=");
        tracing::error!(target: "scripting_system_clone", "no");
        tracing::debug!(target: "scripting_system", "yes");
    });
    assert_eq!(file, "2026-11-23T23:00:01.123+01:00 DEBUG   [r1] yes\n");
}

#[test]
fn lower_levels_are_omitted_and_critical_has_its_own_level() {
    let (file, _) = logged(LogFormat::Text, LogLevel::Error, |_| {
        tracing::warn!(target: "scripting_system", "below");
        tracing::error!(target: "scripting_system", critical = true, "the configuration");
    });
    assert_eq!(file, "2026-11-23T23:00:01.123+01:00 CRITICAL [r1] the configuration\n");
}

#[test]
fn a_new_file_is_private_and_an_existing_one_keeps_its_mode_and_lines() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("log.log");
    critical(&LogTarget::File(file.clone()), LogFormat::Text, &clock(), "first\nline").unwrap();
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o137, 0);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o604)).unwrap();
    critical(&LogTarget::File(file.clone()), LogFormat::Text, &clock(), "second").unwrap();
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o604);
    assert_eq!(
        fs::read_to_string(&file).unwrap(),
        "2026-11-23T23:00:01.123+01:00 CRITICAL [-] first\\nline\n\
         2026-11-23T23:00:01.123+01:00 CRITICAL [-] second\n"
    );
}

#[test]
fn a_missing_folder_is_reported_and_the_record_still_gets_the_lines() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("missing/log.log");
    let journal = journal();
    let log = Log { file: LogTarget::File(file), format: LogFormat::Text, level: LogLevel::Info };
    let log_file = LogFile::open(&log, journal.clone(), clock());
    tracing::subscriber::with_default(tracing_subscriber::registry().with(log_file.clone()), || {
        tracing::info!(target: "scripting_system", "still running");
    });
    let error = log_file.error().unwrap();
    assert!(error.contains("missing/log.log: No such file or directory"), "{error}");
    assert_eq!(journal.read(|record| record.log_lines.len()), 1);
}

#[test]
fn an_event_while_the_record_is_locked_does_not_block_the_run() {
    let (file, _) = logged(LogFormat::Text, LogLevel::Info, |journal| {
        journal.read(|_| tracing::info!(target: "scripting_system", "held"));
    });
    assert!(file.ends_with("held\n"), "{file}");
}
