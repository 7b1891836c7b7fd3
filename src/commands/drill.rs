//! `drill`: restores an archive into a throwaway database server, checks the data, and reports.

use std::cell::RefCell;
use std::time::{Duration, Instant};
use std::{io, thread};

use chrono::NaiveDate;
use thiserror::Error;

use crate::archive::{PackedDump, unpack};
use crate::cli;
use crate::commands::foreground::{Context, Work};
use crate::commands::invocation::Invocation;
use crate::commands::recorded::{Recorded, Tools, new_record, refuse};
use crate::commands::recovery::{self, connect_and_list};
use crate::config::{self, Monitor};
use crate::destination::{Connection, Server, fetch};
use crate::disk::last_drill;
use crate::disk::lock::Lock;
use crate::drill::{self, Settings};
use crate::exit_code::ExitCode;
use crate::record::journal::Journal;
use crate::record::run_record::{DrillFacts, DumpFacts};
use crate::record::task::Task;
use crate::rules::drill_facts::Findings;
use crate::rules::drill_history::{DrillHistory, PassedDrill};
use crate::rules::recovery::{StoredArchive, choose};
use crate::rules::redaction::printable;
use crate::rules::units::{count, number};
use crate::runtime::clock::Clock;
use crate::runtime::error_chain::with_causes;
use crate::runtime::interrupt::Interruption;
use crate::runtime::worker::propagate_panic;

/// The engine keeps the time limit; only a transfer that is stuck takes longer.
const GRACE_PERIOD: Duration = Duration::from_secs(30);

#[derive(Debug, Error)]
enum DrillError {
    #[error("{archive} on the server is bad: {problem}. \"verify --all\" shows which archives are good")]
    Bad { archive: String, problem: String },
    #[error("{} failed: {}", count(.0.len(), "check"), .0.join("; "))]
    Checks(Vec<String>),
}

pub fn drill(arguments: &cli::Drill, invocation: &Invocation<'_>) -> ExitCode {
    let begun = Instant::now();
    let (file, date, started) = (&arguments.config, arguments.date, (invocation.clock)());
    let config = match config::load_to_drill(file, invocation.environment) {
        Ok(config) => config,
        Err(error) => return refuse(file, false, &error, invocation),
    };
    let history = recovery::last_drill(&config);
    let facts = DrillFacts { before: history.passed.clone(), ..DrillFacts::default() };
    let mut record = new_record(&config.secrets(), started.date_naive(), started);
    record.drill = Some(facts.clone());
    let mut reports = config.reports.clone();
    let ca_file = reports.monitor.take().and_then(|monitor| monitor.ca_file);
    reports.monitor = config.drill.ping_url.clone().map(|ping_url| Monitor { ping_url, ca_file, is_for_drills: true });
    let lock = Lock::acquire(file, &config.id.of_drills(), &config.work_directory).map(Some);
    let clock = invocation.clock.clone();
    let work_config = config.clone();
    let work = move |Tools { retry, journal, interrupt, progress }: Tools| {
        let context = Context { config: work_config, started, interrupt, retry, progress };
        Drill { context, date, begun, journal, facts }.run(history, &clock);
    };
    // A missing section `source` is fine.
    let warnings: Vec<String> = config.warnings.iter().filter(|it| !it.starts_with("source")).cloned().collect();
    let recorded = Recorded {
        file,
        invocation,
        begun,
        record,
        log: config.log.as_ref(),
        warnings: &warnings,
        retry: config.retry,
        limit: (config.drill.limit + GRACE_PERIOD, "drill.timeout_minutes"),
        reports,
    };
    recorded.run(lock, work)
}

struct Drill {
    context: Context,
    date: Option<NaiveDate>,
    begun: Instant,
    journal: Journal,
    facts: DrillFacts,
}

impl Drill {
    fn run(mut self, mut history: DrillHistory, clock: &Clock) {
        let (found, config) = (self.restore_and_check(), self.context.config.clone());
        let time = clock().timestamp();
        match found {
            Some((archive, found)) => {
                let Findings { server, tables, rows, .. } = found;
                history =
                    DrillHistory { passed: Some(PassedDrill { time, archive, server, tables, rows }), failed: None };
            }
            None if self.context.interrupt.cause().is_some_and(|cause| cause != Interruption::Deadline) => return,
            None => history.failed = Some(time),
        }
        if let Err(error) = last_drill::write(&config.id, &config.work_directory, &history) {
            self.journal.warn(Task::CheckData, &format!("the result was not stored: {}", with_causes(&error)));
        }
    }

    /// The archive's name, and what it contains.
    fn restore_and_check(&mut self) -> Option<(String, Findings)> {
        let mut found = None;
        self.step(Task::ConnectToSftp, |drill| {
            let (server, connection, _, stored) = connect_and_list(&drill.context)?;
            let archive = choose(&stored, drill.date)?.clone();
            drill.facts.archive = Some((archive.name.clone(), archive.file.size.unwrap_or_default()));
            let text = archive.name.clone();
            found = Some((server, connection, archive));
            Ok(text)
        })?;
        let (server, connection, archive) = found?;
        self.step(Task::RestoreDump, |drill| drill.restore(&server, connection, &archive))?;
        self.step(Task::CheckData, Drill::check)?;
        self.facts.has_passed = true;
        self.journal.set_drill(self.facts.clone());
        Some((archive.name, self.facts.findings.clone()?))
    }

    /// Does a task. Its text is the result.
    fn step(&mut self, task: Task, work: impl FnOnce(&mut Drill) -> Work<String>) -> Option<()> {
        let journal = self.journal.clone();
        let open = journal.begin(task);
        let result = work(self);
        journal.set_drill(self.facts.clone());
        match result {
            Ok(text) => {
                open.done(&text);
                return Some(());
            }
            Err(_) if self.context.interrupt.check().is_err() => open.leave_unfinished(),
            Err(error) => open.failed(&with_causes(&*error)),
        }
        None
    }

    fn restore(&mut self, server: &Server, connection: Connection, archive: &StoredArchive) -> Work<String> {
        let Context { config, interrupt, progress, .. } = &self.context;
        let config::Drill { engine, programs, user, sandbox, checks, limit, .. } = config.drill.clone();
        let limit = limit.saturating_sub(self.begun.elapsed());
        let settings =
            Settings { engine, programs, user, folder: config.work_directory.clone(), sandbox, limit, checks };
        let (mut dump, feed) = io::pipe()?;
        let (fetched, found) = thread::scope(|scope| {
            let engine = scope.spawn(move || {
                let spinner = RefCell::new(None);
                let phase = |phase| {
                    tracing::debug!(task = Task::RestoreDump.title(), "{phase}");
                    spinner.replace(Some(progress.spinner(phase)));
                };
                drill::run(&settings, &mut dump, interrupt, &phase)
            });
            let fetched = fetch(server, connection, &archive.file, (progress, "Drill"), |reader| {
                // Dropping `feed` ends the dump.
                let begin = |dump: &PackedDump| {
                    let modified = dump.modified.map(|time| time.with_timezone(&config.zone).fixed_offset());
                    self.journal.set_dump(DumpFacts { name: printable(&dump.name), size: dump.size, modified });
                    Ok(feed)
                };
                unpack(reader, None, interrupt, begin).map(|(dump, _)| dump)
            });
            (fetched, propagate_panic(engine.join()))
        });
        // The first cause: the engine fails without the rest of the dump, and the transfer ends early without the engine.
        let dump = fetched?.value;
        if let Err(error) = &dump
            && error.is_bad_archive()
        {
            return Err(DrillError::Bad { archive: archive.name.clone(), problem: error.to_string() }.into());
        }
        self.facts.is_misconfigured = found.as_ref().is_err_and(drill::DrillError::is_configuration);
        let found = self.facts.findings.insert(found?);
        let (name, tables) = (dump?.name, count(found.tables, "table"));
        Ok(format!("{name} into {}: {tables}, {} rows", found.server, number(found.rows)))
    }

    fn check(&mut self) -> Work<String> {
        let DrillFacts { findings: Some(found), before, .. } = &self.facts else { return Ok(String::new()) };
        let failed = found.checks.iter().filter(|check| !check.passed);
        let failed: Vec<String> = failed.map(|check| format!("{:?} is {:?}", check.name, check.value)).collect();
        if !failed.is_empty() {
            return Err(DrillError::Checks(failed).into());
        }
        if let Some(before) = before.as_ref().filter(|before| before.tables > found.tables) {
            let (then, now) = (number(before.tables), number(found.tables));
            let text = format!("{now} tables, but {then} after the last drill that passed ({})", before.archive);
            self.journal.warn(Task::CheckData, &text);
        }
        Ok(format!("{} passed", count(found.checks.len(), "check")))
    }
}
