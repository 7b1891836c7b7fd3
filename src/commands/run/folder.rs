//! Runs the jobs of a folder, some at the same time, and reports them together. Nothing that happens to one job stops the others.

use std::io::{self, IsTerminal as _, Write as _};
use std::slice;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use tracing::dispatcher;

use crate::commands::foreground::begin_logging;
use crate::commands::invocation::Invocation;
use crate::commands::recorded::{NotBegun, log_refusal};
use crate::commands::run::job::{Night, prepare};
use crate::commands::summary;
use crate::config::{self, Email, JobFile, LoadError, Mattermost, Monitor, Reports};
use crate::exit_code::ExitCode;
use crate::record::journal::Journal;
use crate::record::run_record::{self, RunRecord};
use crate::record::task::Task;
use crate::report::document::{self, RunDocument};
use crate::report::log::log_file::LogFile;
use crate::report::send::{self, Reported};
use crate::runtime::interrupt::{Interrupted, Interruption};
use crate::runtime::progress::Progress;
use crate::runtime::supervisor::{Signals, Supervisor};
use crate::runtime::worker::map_in_parallel;

/// Runs `jobs`, up to `parallel` at the same time. `is_whole`: they are all jobs of the folder.
pub(super) fn run(
    jobs: Vec<JobFile>,
    is_whole: bool,
    parallel: usize,
    night: &Night,
    invocation: &Invocation<'_>,
) -> ExitCode {
    let signals = match invocation.signals() {
        Ok(signals) => signals,
        Err(error) => {
            eprintln!("scripting-system: {error}");
            return ExitCode::Failed;
        }
    };
    let folder = Folder { night, invocation, signals, progress: Progress::on_terminal(), pinged: Mutex::default() };
    let mut ended = map_in_parallel(&jobs, parallel, |job| folder.run_job(job));
    let is_whole = is_whole && ended.iter().all(|job| job.reports.is_some());
    report_unknown_jobs_with_others(&mut ended);
    let is_logged = ended.iter().all(|job| job.log.as_ref().is_some_and(LogFile::is_stream));
    let journals: Vec<Journal> = ended.iter().map(|job| job.journal.clone()).collect();
    if night.dry_run {
        journals.iter().for_each(|journal| journal.skip(Task::Report, "dry run"));
    } else {
        send::send(&mut Supervisor::new(&folder.signals), ended, is_whole, invocation.clock);
    }
    let records: Vec<RunRecord> = journals.iter().map(|journal| journal.read(RunRecord::clone)).collect();
    let code = ExitCode::worst(records.iter().map(|record| record.outcome().into()));
    if night.as_json {
        let documents: Vec<RunDocument> = records.iter().map(RunDocument::new).collect();
        let _ = write!(io::stdout(), "{}", document::text(&documents));
    }
    if !is_logged {
        print(&records, night, invocation.verbose);
    }
    code
}

struct Folder<'a> {
    night: &'a Night,
    invocation: &'a Invocation<'a>,
    signals: Signals,
    progress: Progress,
    pinged: Mutex<Vec<Monitor>>,
}

impl Folder<'_> {
    fn run_job(&self, job: &JobFile) -> Reported {
        if let Some(cause) = self.signals.cause() {
            return self.not_started(job, cause);
        }
        let begun = Instant::now();
        let config = match job.without_conflicts().and_then(|file| config::load(file, self.invocation.environment)) {
            Ok(config) => config,
            Err(error) => return self.misconfigured(job, &error),
        };
        let (mut recorded, lock, work) = prepare(&job.file, &config, begun, self.night, self.invocation);
        recorded.pings_at_start = config.reports.monitor.as_ref().is_some_and(|monitor| self.is_first(monitor));
        let (journal, log) = recorded.open_log();
        let redaction = journal.read(|record| record.redaction().clone());
        let lines = begin_logging(log.clone(), self.invocation, &redaction, &self.progress);
        let _lines = dispatcher::set_default(&lines);
        let opened = (journal.clone(), log.clone(), lines.clone());
        match recorded.work(opened, &self.signals, self.progress.clone(), lock, work) {
            // Its lock is released before the other jobs end.
            Ok((job, _lock)) => job,
            Err(NotBegun { why, reason }) => {
                journal.set_not_begun(why, slice::from_ref(&reason));
                let (reports, retry) = (Some(config.reports), Some(config.retry));
                Reported { reports, retry, start: None, journal, log, lines }
            }
        }
    }

    /// Whether no other job has pinged the same address.
    fn is_first(&self, monitor: &Monitor) -> bool {
        let mut pinged = self.pinged.lock().unwrap_or_else(PoisonError::into_inner);
        let is_first = !pinged.iter().any(|other| other.is_same(monitor));
        pinged.push(monitor.clone());
        is_first
    }

    fn misconfigured(&self, job: &JobFile, error: &LoadError) -> Reported {
        let lines = log_refusal(&job.file, self.night.dry_run, error, self.invocation);
        let journal = self.journal(job);
        journal.set_not_begun(run_record::NotBegun::Misconfigured, &lines);
        self.unstarted(journal, config::load_reports(&job.file, self.invocation.environment))
    }

    fn not_started(&self, job: &JobFile, cause: Interruption) -> Reported {
        let journal = self.journal(job);
        journal.set_interruption(cause);
        journal.stop_unfinished(&format!("not started: {}", Interrupted(cause)), false);
        // A program that prints a secret could take too long now.
        let environment = self.invocation.environment;
        let is_quick = !config::runs_programs(&job.file, environment);
        self.unstarted(journal, is_quick.then(|| config::load_reports(&job.file, environment)).flatten())
    }

    fn journal(&self, job: &JobFile) -> Journal {
        Journal::new(self.night.record(&job.name, &[]))
    }

    fn unstarted(&self, journal: Journal, reports: Option<Reports>) -> Reported {
        let lines = dispatcher::get_default(Clone::clone);
        Reported { reports, retry: None, start: None, journal, log: None, lines }
    }
}

/// Jobs whose reports are unknown join the largest group of the others.
fn report_unknown_jobs_with_others(jobs: &mut [Reported]) {
    let known = || jobs.iter().filter_map(|job| job.reports.as_ref());
    let emails: Vec<&Email> = known().filter_map(|reports| reports.email.as_ref()).collect();
    let posts: Vec<&Mattermost> = known().filter_map(|reports| reports.mattermost.as_ref()).collect();
    let email = emails.iter().max_by_key(|one| emails.iter().filter(|other| one.is_same(other)).count());
    let post = posts.iter().max_by_key(|one| posts.iter().filter(|other| one.is_same(other)).count());
    let (email, mattermost) = (email.copied().cloned(), post.copied().cloned());
    let most = Reports { email, mattermost, ..Reports::default() };
    for job in jobs {
        job.reports.get_or_insert_with(|| most.clone());
    }
}

/// Prints the result for a person or for cron.
fn print(records: &[RunRecord], night: &Night, verbose: u8) {
    let mut output = io::stdout();
    // Write errors are ignored: if the output is closed, nobody is reading it.
    if !night.as_json && (output.is_terminal() || night.dry_run) {
        let _ = write!(output, "{}", summary::several(records));
    } else if verbose == 0 {
        let texts: String = records.iter().map(|record| summary::cron_errors(record, true)).collect();
        let _ = write!(io::stderr(), "{texts}");
    }
}
