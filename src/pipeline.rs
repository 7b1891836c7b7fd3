//! The tasks of a run in their order, stated once.
//!
//! [`Job::run`] is that order. Each step tells the record how its task went; a task that fails stops the rest.

mod from_source;
mod to_destination;

use std::error::Error;

use chrono::{NaiveDate, TimeDelta};

use crate::clock::Clock;
use crate::config::Config;
use crate::destination::Server;
use crate::error_chain::told;
use crate::interrupt::Interrupt;
use crate::journal::{Journal, OpenTask};
use crate::progress::Progress;
use crate::retry::Retry;
use crate::rules::freshness::{Freshness, Judgement};
use crate::rules::retention::Naming;
use crate::run_record::{Interruption, Task};
use from_source::Packed;

/// A night's work and what it needs.
#[derive(Clone)]
pub struct Job {
    /// The validated configuration.
    pub config: Config,
    /// The date that the run is for.
    pub today: NaiveDate,
    /// Whether nothing may be changed.
    pub dry_run: bool,
    /// The time.
    pub clock: Clock,
    /// Where everything is told.
    pub journal: Journal,
    /// Ends the run before its end.
    pub interrupt: Interrupt,
    /// Meets passing faults.
    pub retry: Retry,
    /// Shows transfers to whoever watches.
    pub progress: Progress,
}

/// What the web server had.
struct Dump {
    judgement: Judgement,
    /// How far the web server's clock is from ours, where it tells.
    clock_difference: Option<TimeDelta>,
    /// The archive of a fresh dump, unless nothing may be changed.
    archive: Option<Packed>,
}

/// A task has failed and told why; what is left to do is to clean up and to report.
struct Stop;

impl Job {
    /// Does tasks 2 to 10. How they went is in the record.
    pub fn run(&self) {
        let server = Server::new(&self.config.sftp, &self.interrupt, &self.retry, !self.dry_run);
        if self.ship(&server).is_err() {
            self.journal.cut_off("because of what happened before", false);
        }
        self.clean_up();
    }

    fn ship(&self, server: &Server<'_>) -> Result<(), Stop> {
        let Dump { judgement, clock_difference, archive } = self.get_dump()?;
        let connection = match (judgement.freshness, archive) {
            (Freshness::Fresh, Some(archive)) => {
                let connection = self.connect(server)?;
                let sent = self.send_archive(server, connection, &archive)?;
                self.verify_archive(server, sent, &archive)?
            }
            (Freshness::Fresh, None) => {
                self.skip(&[Task::PackArchive], "dry run");
                let connection = self.connect(server)?;
                self.rehearse_sending(&connection)?;
                self.skip(&[Task::VerifyArchive], "dry run");
                connection
            }
            (Freshness::Stale(_), _) => {
                self.skip(&[Task::PackArchive, Task::SendArchive, Task::VerifyArchive], "the dump is stale");
                self.connect(server)?
            }
        };
        self.remove_expired(connection, judgement.freshness, clock_difference);
        Ok(())
    }

    /// Tasks 2 to 5, from their beginning again where the ZIP changes on the web server meanwhile.
    fn get_dump(&self) -> Result<Dump, Stop> {
        for _ in 1..self.config.retry.attempts {
            if let Some(dump) = self.get_dump_once(true)? {
                return Ok(dump);
            }
            tracing::info!("the ZIP has changed on the web server while it was read; starting over");
        }
        self.get_dump_once(false)?.ok_or(Stop)
    }

    /// `None` where the ZIP changes and `may_start_over` holds; else that is a fault like any other.
    fn get_dump_once(&self, may_start_over: bool) -> Result<Option<Dump>, Stop> {
        let zip = self.request_zip()?;
        let clock_difference = zip.server_time.map(|theirs| theirs.signed_duration_since((self.clock)()));
        let Some(dump) = self.find_dump(&zip, may_start_over)? else { return Ok(None) };
        let judgement = self.compare_dates(&zip, &dump);
        let archive = match (judgement.freshness, judgement.modified) {
            (Freshness::Fresh, Some(modified)) if !self.dry_run => {
                let packed = self.pack_archive(&zip, &dump, modified.to_utc(), may_start_over)?;
                let Some(packed) = packed else { return Ok(None) };
                Some(packed)
            }
            _ => None,
        };
        Ok(Some(Dump { judgement, clock_difference, archive }))
    }

    fn skip(&self, tasks: &[Task], reason: &str) {
        for task in tasks {
            self.journal.skip(*task, reason);
        }
    }

    /// Temporary files have no names and connections end with what used them: both are gone by now.
    fn clean_up(&self) {
        self.journal.begin(Task::CleanUp).done("temporary files and connections are gone");
        self.journal.record().lock().retries = self.retry.count();
    }

    /// Ends `task` with `error`: as failed, or as stopped where a signal is the cause.
    fn give_up(&self, task: OpenTask<'_>, error: &dyn Error) -> Stop {
        self.give_up_telling(task, &told(error))
    }

    /// As [`give_up`](Job::give_up), with the error in words.
    fn give_up_telling(&self, task: OpenTask<'_>, text: &str) -> Stop {
        let Err(interrupted) = self.interrupt.check() else {
            task.failed(text);
            return Stop;
        };
        // An error from before the end, where that came in the pause before another try.
        let cause = interrupted.to_string();
        let text = if text == cause { cause } else { format!("{cause}; before that: {text}") };
        match interrupted.0 {
            Interruption::Sigint | Interruption::Sigterm => task.stopped(&text),
            Interruption::Deadline => task.failed(&text),
        }
        Stop
    }

    fn naming(&self) -> Naming {
        Naming {
            archive: self.config.archive.name.clone(),
            temporary_prefix: self.config.sftp.temporary_prefix.clone(),
        }
    }

    fn archive_name(&self) -> String {
        self.config.archive.name.file_name(self.today)
    }
}
