//! The tasks of a run in their order, stated once.
//!
//! [`Job::run`] is that order. Each step tells the record how its task went; a task that fails stops the rest.

mod folder;
mod from_source;
mod removal;
mod to_destination;

use std::error::Error;
use std::{panic, thread};

use chrono::{NaiveDate, TimeDelta};

use crate::config::Config;
use crate::destination::{Connection, Replaced, Server};
use crate::disk::spool::Spool;
use crate::pipeline::from_source::Packing;
use crate::pipeline::to_destination::{Sent, Verified};
use crate::record::journal::{Journal, OpenTask};
use crate::record::run_record::RunRecord;
use crate::record::task::Task;
use crate::rules::freshness::Freshness;
use crate::runtime::clock::Clock;
use crate::runtime::error_chain::with_causes;
pub(crate) use crate::runtime::failpoint::failpoint;
use crate::runtime::interrupt::Interrupt;
use crate::runtime::interrupt::Interruption;
use crate::runtime::progress::Progress;
use crate::runtime::retry::Retry;

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

/// What tasks 2 to 8 came to.
struct Delivered {
    freshness: Freshness,
    /// How far the web server's clock is from ours, where it tells.
    clock_difference: Option<TimeDelta>,
    /// How many bytes the new archive has, or will have, as a dry run expects; `None` where there is none or that is not
    /// known.
    archive_size: Option<u64>,
    connection: Connection,
    /// The unfinished uploads of earlier runs that this run has removed already.
    cleared: Vec<String>,
    /// The archive that was set aside for the new one, if there was one.
    replaced: Option<Replaced>,
    /// Whether the server failed to put the new archive on its disk.
    is_unsynced: bool,
}

/// A task has failed and told why; what is left to do is to clean up and to report.
struct Stop;

impl Job {
    /// Does tasks 2 to 10. How they went is in the record.
    pub fn run(&self) {
        let server = Server::new(&self.config.sftp, &self.interrupt, &self.retry, !self.dry_run);
        match self.deliver(&server) {
            Ok(delivered) => self.remove_expired(delivered),
            Err(Stop) => {
                self.journal.cut_off("because of what happened before", false);
                self.look_up_folder(&server);
            }
        }
        self.clean_up();
    }

    /// Tasks 2 to 8, from their beginning again where the ZIP changes on the web server meanwhile.
    fn deliver(&self, server: &Server) -> Result<Delivered, Stop> {
        let attempts = self.config.retry.attempts;
        for attempt in 1..=attempts {
            let is_last = attempt == attempts;
            // What keeps changing between two requests is to be had with one.
            let in_parts = attempt == 1 || !is_last;
            if let Some(delivered) = self.deliver_once(server, in_parts, !is_last)? {
                return Ok(delivered);
            }
            tracing::info!("the ZIP has changed on the web server while it was read; starting over");
        }
        Err(Stop)
    }

    /// `None` where the ZIP changes and `may_start_over` holds; else that is a fault like any other.
    fn deliver_once(&self, server: &Server, in_parts: bool, may_start_over: bool) -> Result<Option<Delivered>, Stop> {
        let zip = self.request_zip(in_parts)?;
        failpoint("between tasks");
        let unchanged = |connection| Verified { connection, cleared: Vec::new(), replaced: None, is_unsynced: false };
        let clock_difference = zip.server_time.map(|theirs| theirs.signed_duration_since((self.clock)()));
        let Some(dump) = self.find_dump(&zip, may_start_over)? else { return Ok(None) };
        let judgement = self.compare_dates(&zip, &dump);
        let (archive_size, verified) = match (judgement.freshness, judgement.modified) {
            (Freshness::Fresh, Some(modified)) if !self.dry_run => {
                let packing = Packing { zip: &zip, dump: &dump, modified: modified.to_utc(), may_start_over };
                let Some((archive, sent)) = self.pack_and_send(&packing, server)? else { return Ok(None) };
                (Some(self.size_of(&archive)), self.verify_archive(server, sent, &archive)?)
            }
            (Freshness::Fresh, _) => {
                self.skip(&[Task::PackArchive], "dry run");
                let connection = self.connect(server)?;
                self.rehearse_sending(&connection)?;
                self.skip(&[Task::VerifyArchive], "dry run");
                (dump.expected_archive_size(self.config.archive.compression), unchanged(connection))
            }
            (Freshness::Stale(_), _) => {
                self.skip(&[Task::PackArchive, Task::SendArchive, Task::VerifyArchive], "the dump is stale");
                (None, unchanged(self.connect(server)?))
            }
        };
        let Verified { connection, cleared, replaced, is_unsynced } = verified;
        let freshness = judgement.freshness;
        Ok(Some(Delivered { freshness, clock_difference, archive_size, connection, cleared, replaced, is_unsynced }))
    }

    /// Tasks 5 to 7 at once: the archive is sent while it grows. `None` where the ZIP has changed.
    fn pack_and_send(&self, packing: &Packing<'_>, server: &Server) -> Result<Option<(Spool, Sent)>, Stop> {
        let expected_size = packing.dump.expected_archive_size(self.config.archive.compression);
        let (writer, archive) = self.create_spool(expected_size)?;
        server.expect_transfer(expected_size.unwrap_or(0));
        thread::scope(|scope| {
            let packing = scope.spawn(|| self.pack_archive(packing, writer, &archive));
            // Where sending ends before its time, with a panic too, packing ends as well.
            let wanted = archive.wanted();
            let sending = self
                .connect(server)
                .and_then(|connection| self.send_archive(server, connection, &archive, expected_size));
            drop(wanted);
            let is_packed = packing.join().unwrap_or_else(|panic| panic::resume_unwind(panic))?;
            if is_packed { sending.map(|sent| Some((archive.clone(), sent))) } else { Ok(None) }
        })
    }

    fn skip(&self, tasks: &[Task], reason: &str) {
        for task in tasks {
            self.journal.skip(*task, reason);
        }
    }

    /// Temporary files have no names and connections end with what used them: both are gone by now.
    fn clean_up(&self) {
        self.journal.begin(Task::CleanUp).done("temporary files and connections are gone");
        self.journal.set_retries(self.retry.count());
    }

    /// Ends `task` with `error`: as failed, or as stopped where a signal is the cause.
    fn give_up(&self, task: OpenTask<'_>, error: &dyn Error) -> Stop {
        self.give_up_telling(task, &with_causes(error))
    }

    /// As [`give_up`](Job::give_up), with the error in words. Of several tasks that end at once only the first has
    /// failed.
    fn give_up_telling(&self, task: OpenTask<'_>, text: &str) -> Stop {
        if self.journal.read(RunRecord::errors) > 0 {
            task.leave();
            return Stop;
        }
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

    fn archive_name(&self) -> String {
        self.config.archive.name.file_name(self.today)
    }
}
