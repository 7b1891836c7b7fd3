//! `drill`: restores an archive into a throwaway database server, checks the data, and reports.

use std::cell::RefCell;
use std::time::{Duration, Instant};
use std::{io, thread};

use age::x25519::Identity;
use chrono::NaiveDate;
use thiserror::Error;

use crate::archive::{ArchiveError, PackedDump, Stored, unpack};
use crate::cli;
use crate::commands::foreground::{Context, Work};
use crate::commands::invocation::Invocation;
use crate::commands::jobs::select_one;
use crate::commands::recorded::{Kind, Recorded, Tools, new_record, refuse};
use crate::commands::recovery::{self, connect_and_list, identities, stored_sha256};
use crate::config::{self, Monitor};
use crate::destination::{Connection, Server, fetch};
use crate::disk::last_drill;
use crate::disk::lock::Lock;
use crate::drill::{self, Settings};
use crate::exit_code::ExitCode;
use crate::record::journal::Journal;
use crate::record::run_record::{DrillFacts, DumpFacts};
use crate::record::task::Task;
use crate::rules::archive_name::is_encrypted;
use crate::rules::drill_facts::{CheckResult, Findings};
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
    #[error("{archive} on the server cannot be restored: {problem}. \"verify --all\" shows which archives are good")]
    Bad { archive: String, problem: String },
    #[error("{0} is encrypted: give the private key of one of its recipients with --identity FILE")]
    Encrypted(String),
    #[error("{} failed: {}", count(.0.len(), "check"), .0.join("; "))]
    Checks(Vec<String>),
}

pub fn drill(arguments: &cli::Drill, invocation: &Invocation<'_>) -> ExitCode {
    let (begun, clock) = (Instant::now(), invocation.clock.clone());
    let (date, started) = (arguments.date, clock());
    let file = &match select_one(&arguments.jobs, invocation) {
        Ok(file) => file,
        Err(error) => return error.report(),
    };
    let identities = match identities(&arguments.identity) {
        Ok(identities) => identities,
        Err(code) => return code,
    };
    let config = match config::load_to_drill(file, invocation.environment) {
        Ok(config) => config,
        Err(error) => return refuse(file, false, &error, invocation),
    };
    let mut record = new_record(&config.name, &config.secrets(), started.date_naive(), started);
    record.drill = Some(DrillFacts { before: recovery::last_drill(&config).passed, ..DrillFacts::default() });
    let mut reports = config.reports.clone();
    let ca_file = reports.monitor.take().and_then(|monitor| monitor.ca_file);
    reports.monitor = config.drill.ping_url.clone().map(|ping_url| Monitor { ping_url, ca_file, is_for_drills: true });
    // A missing section `source` is fine.
    let warnings: Vec<String> = config.warnings.iter().filter(|it| !it.starts_with("source")).cloned().collect();
    let recorded = Recorded {
        kind: Kind::Drill,
        file,
        invocation,
        begun,
        record,
        log: config.log.as_ref(),
        warnings: &warnings,
        retry: config.retry,
        limit: (config.drill.limit + GRACE_PERIOD, "drill.timeout_minutes"),
        reports,
        pings_at_start: true,
        after_hook: None,
        as_json: false,
    };
    let lock = Lock::acquire(file, &config.id.of_drills(), &config.work_directory).map(Some);
    let (config, accounts) = (config.clone(), invocation.accounts.clone());
    recorded.run(lock, move |Tools { retry, journal, interrupt, progress }| {
        let context = Context { config, started, interrupt, retry, progress, accounts };
        Drill { context, date, identities, begun, journal }.run_and_store(&clock);
    })
}

struct Drill {
    context: Context,
    date: Option<NaiveDate>,
    /// Private keys.
    identities: Vec<Identity>,
    begun: Instant,
    journal: Journal,
}

impl Drill {
    fn run_and_store(&self, clock: &Clock) {
        let Context { config, interrupt, .. } = &self.context;
        let (result, time) = (self.run(), clock().timestamp());
        if interrupt.cause().is_some_and(|cause| cause != Interruption::Deadline) {
            return;
        }
        let history = match result {
            Ok(passed) => DrillHistory { passed: Some(PassedDrill { time, ..passed }), failed: None },
            Err(error) => {
                if interrupt.check().is_ok() {
                    self.journal.stop_unfinished(&with_causes(&*error), true);
                }
                DrillHistory { failed: Some(time), ..recovery::last_drill(config) }
            }
        };
        if let Err(error) = last_drill::write(&config.id, &config.work_directory, &history) {
            self.journal.warn(Task::CheckData, &format!("the result was not stored: {}", with_causes(&error)));
        }
    }

    fn run(&self) -> Work<PassedDrill> {
        let task = self.journal.begin(Task::ConnectToSftp);
        let (server, connection, _, stored) = connect_and_list(&self.context)?;
        let archive = choose(&stored, self.date)?;
        let size = archive.file.size.unwrap_or_default();
        self.journal.change_drill(|drill| drill.archive = Some((archive.name.clone(), size)));
        task.done(&archive.name);
        let task = self.journal.begin(Task::RestoreDump);
        let found = self.restore(&server, connection, archive)?;
        self.journal.change_drill(|drill| drill.findings = Some(found.clone()));
        let Findings { server, tables, rows, checks, .. } = found;
        task.done(&format!("{}, {} rows, in {server}", count(tables, "table"), number(rows)));
        let task = self.journal.begin(Task::CheckData);
        let failed = checks.iter().filter(|check| !check.passed);
        let least = |name: &str| self.context.config.drill.checks.iter().find(|it| it.name == name)?.at_least;
        let failed: Vec<String> = failed
            .map(|CheckResult { name, value, .. }| match least(name) {
                Some(least) => format!("{name:?} is {value:?}, which is not at least {least}"),
                None => format!("{name:?} is {value:?}, which is not true"),
            })
            .collect();
        if !failed.is_empty() {
            return Err(DrillError::Checks(failed).into());
        }
        let before = self.journal.read(|record| record.drill.as_ref()?.before.clone());
        if let Some(before) = before.filter(|before| before.tables > tables) {
            let text = format!("{tables} tables, but {} after the last drill that passed", before.tables);
            self.journal.warn(Task::CheckData, &format!("{text} ({})", before.archive));
        }
        task.done(&format!("{} passed", count(checks.len(), "check")));
        self.journal.change_drill(|drill| drill.has_passed = true);
        Ok(PassedDrill { time: 0, archive: archive.name.clone(), server, tables, rows })
    }

    fn restore(&self, server: &Server, connection: Connection, archive: &StoredArchive) -> Work<Findings> {
        let Context { config, interrupt, progress, .. } = &self.context;
        let config::Drill { engine, programs, user, sandbox, checks, limit, .. } = config.drill.clone();
        let (folder, limit) = (config.work_directory.clone(), limit.saturating_sub(self.begun.elapsed()));
        let settings = Settings { engine, programs, user, folder, sandbox, limit, checks };
        let bad = |error: &ArchiveError| DrillError::Bad { archive: archive.name.clone(), problem: error.to_string() };
        let (is_encrypted, identities) = (is_encrypted(&archive.name), &*self.identities);
        if is_encrypted && identities.is_empty() {
            return Err(DrillError::Encrypted(archive.name.clone()).into());
        }
        let (sha256, connection) = stored_sha256(server, connection, (&config.naming, archive))?;
        let sha256 = sha256.map_err(|error| bad(&error))?;
        let stored = Stored { is_encrypted, identities, sha256: sha256.as_ref() };
        let (mut dump, feed) = io::pipe()?;
        let (fetched, found) = thread::scope(|scope| {
            let engine = scope.spawn(move || {
                let spinner = RefCell::new(None);
                let phase = |phase| _ = spinner.replace(Some(progress.spinner(phase)));
                drill::run(&settings, &mut dump, interrupt, &phase)
            });
            let fetched = fetch(server, connection, &archive.file, (progress, "Drill"), |reader| {
                let begin = |dump: &PackedDump| {
                    let modified = dump.modified.map(|time| time.with_timezone(&config.zone).fixed_offset());
                    self.journal.set_dump(DumpFacts { name: printable(&dump.name), size: dump.size, modified });
                    Ok(feed)
                };
                // Dropping `feed` ends the dump.
                stored.read(reader, |content| unpack(content, None, interrupt, begin).map(drop))
            });
            (fetched, propagate_panic(engine.join()))
        });
        // The first cause: the engine fails without the rest of the dump, and the transfer ends early without the engine.
        let unpacked = fetched?.value;
        if let Err(error) = &unpacked
            && (error.is_bad_archive() || matches!(error, ArchiveError::OtherRecipient))
        {
            return Err(bad(error).into());
        }
        let is_misconfigured = found.as_ref().is_err_and(drill::DrillError::is_configuration);
        self.journal.change_drill(|drill| drill.is_misconfigured = is_misconfigured);
        Ok((found?, unpacked?).0)
    }
}
