//! The tasks of a run in their order, stated once.
//!
//! [`Job::run`] is that order. Each step tells the record how its task went; a task that fails stops the rest.

mod from_source;
mod to_destination;

use std::error::Error;

use chrono::NaiveDate;

use crate::clock::Clock;
use crate::config::Config;
use crate::destination::Server;
use crate::error_chain::told;
use crate::interrupt::Interrupt;
use crate::journal::{Journal, OpenTask};
use crate::progress::Progress;
use crate::retry::Retry;
use crate::rules::freshness::Freshness;
use crate::rules::retention::Naming;
use crate::run_record::{Interruption, Task};

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
        let zip = self.request_zip()?;
        let clock_difference = zip.server_time.map(|theirs| theirs.signed_duration_since((self.clock)()));
        let dump = self.find_dump(&zip)?;
        let judgement = self.compare_dates(&zip, &dump);

        let connection = match (judgement.freshness, judgement.modified) {
            (Freshness::Fresh, Some(modified)) if !self.dry_run => {
                let archive = self.pack_archive(&zip, &dump, modified.to_utc())?;
                drop(zip);
                let connection = self.connect(server)?;
                let sent = self.send_archive(server, connection, &archive)?;
                self.verify_archive(server, sent, &archive)?
            }
            (Freshness::Fresh, _) => {
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
