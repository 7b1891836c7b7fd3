//! Which task fails when a run ends early.

use std::thread;

use chrono::DateTime;
use scripting_system::record::journal::*;
use scripting_system::record::run_record::{Outcome, RunRecord, State};
use scripting_system::record::task::Task;
use scripting_system::rules::redaction::Redaction;

fn journal() -> Journal {
    let started = DateTime::parse_from_rfc3339("2026-11-23T23:00:00+01:00").unwrap();
    let redaction = Redaction::new(&[]);
    Journal::new(RunRecord::new("id".to_owned(), "host".to_owned(), started.date_naive(), started, redaction))
}

fn failed(journal: &Journal) -> Vec<Task> {
    journal.read(|record| {
        let reports = record.tasks().filter(|report| report.state == State::Failed);
        reports.map(|report| report.task).collect()
    })
}

#[test]
fn an_error_between_tasks_fails_the_next_one() {
    let journal = journal();
    journal.begin(Task::ReadConfiguration).done("read");
    journal.begin(Task::RequestZip).done("received");
    journal.stop_unfinished("an error", true);
    assert_eq!(failed(&journal), [Task::FindDump]);
    assert_eq!(journal.read(RunRecord::outcome), Outcome::Failed);
}

#[test]
fn only_the_first_of_several_tasks_in_progress_fails() {
    let journal = journal();
    journal.begin(Task::PackArchive).leave_unfinished();
    journal.begin(Task::SendArchive).leave_unfinished();
    journal.stop_unfinished("an error", true);
    assert_eq!(failed(&journal), [Task::PackArchive]);
    assert_eq!(journal.read(|record| record.task(Task::SendArchive).state), State::Stopped);
}

#[test]
fn the_task_that_panics_fails() {
    let journal = journal();
    journal.begin(Task::PackArchive).leave_unfinished();
    let panicking = journal.clone();
    let ended = thread::spawn(move || {
        let _task = panicking.begin(Task::SendArchive);
        panic!("a bug");
    });
    assert!(ended.join().is_err());
    journal.stop_unfinished("a bug", true);
    assert_eq!(failed(&journal), [Task::SendArchive]);
}

#[test]
fn a_signal_fails_no_task() {
    let journal = journal();
    journal.begin(Task::PackArchive).leave_unfinished();
    journal.stop_unfinished("a signal", false);
    assert_eq!(failed(&journal), []);
}
