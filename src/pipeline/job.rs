//! The job of a run, and the results that its tasks pass to each other.

use std::error::Error;

use chrono::{NaiveDate, TimeDelta};

use crate::archive;
use crate::config::Config;
use crate::destination::{Accounts, Connection, DestinationError, Replaced};
use crate::record::journal::{Journal, OpenTask};
use crate::record::run_record::RunRecord;
use crate::rules::archive_name::{Naming, is_encrypted};
use crate::rules::checksum::ChecksumFile;
use crate::rules::freshness::Freshness;
use crate::rules::listing::Entry;
use crate::rules::origin::Origin;
use crate::runtime::clock::Clock;
use crate::runtime::error_chain::with_causes;
use crate::runtime::interrupt::{Interrupt, Interruption};
use crate::runtime::progress::Progress;
use crate::runtime::retry::Retry;

#[derive(Clone)]
pub struct Job {
    pub config: Config,
    /// The date of the run.
    pub today: NaiveDate,
    pub dry_run: bool,
    pub clock: Clock,
    /// Shared with other jobs.
    pub accounts: Accounts,
    pub journal: Journal,
    pub interrupt: Interrupt,
    pub retry: Retry,
    pub progress: Progress,
}

/// The result of tasks 2 to 8.
pub(super) struct Delivered {
    pub(super) freshness: Freshness,
    /// The web server's clock minus this machine's, if the web server reports the time.
    pub(super) clock_difference: Option<TimeDelta>,
    pub(super) arrival: Arrival,
}

/// The result of tasks 5 to 8.
pub(super) struct Arrival {
    pub(super) connection: Connection,
    /// Size of the new archive in bytes, in a dry run the expected one; `None` if there is none or it is unknown.
    pub(super) archive_size: Option<u64>,
    /// Unfinished uploads of earlier runs that were removed.
    pub(super) cleared: Vec<String>,
    /// The archive that was set aside for the new one.
    pub(super) replaced: Option<Replaced>,
    /// Whether the server failed to sync the new archive to its disk.
    pub(super) is_unsynced: bool,
    /// Bytes free on the server, if they are known already.
    pub(super) free: Option<u64>,
    /// The folder on the server, if it was listed after the delivery.
    pub(super) listing: Option<Vec<Entry>>,
}

/// A task has failed or was stopped, and is recorded as such.
pub(super) struct Stop;

impl Arrival {
    /// For a run that changed nothing on the server.
    pub(super) fn unchanged(connection: Connection, archive_size: Option<u64>) -> Arrival {
        Arrival {
            connection,
            archive_size,
            cleared: Vec::new(),
            replaced: None,
            is_unsynced: false,
            free: None,
            listing: None,
        }
    }
}

/// The origin of the archive `name` on the server. That of an encrypted one is in its checksum file.
pub fn origin(connection: &Connection, naming: &Naming, name: &str) -> Result<Origin, DestinationError> {
    if !is_encrypted(name) {
        return Ok(archive::origin(&connection.beginning(name)?));
    }
    let checksum = connection.checksum(naming, name)?.and_then(ChecksumFile::valid);
    Ok(checksum.map(|checksum| checksum.origin()).unwrap_or_default())
}

impl Job {
    pub(super) fn archive_name(&self) -> String {
        self.config.naming().file_name(self.today)
    }

    /// Whether the archive `name` on the server belongs to another job; false if that is unknown.
    pub(super) fn belongs_to_other_job(&self, connection: &Connection, name: &str) -> Result<bool, DestinationError> {
        let source = &self.config.source;
        let naming = self.config.naming();
        let dump = source.dump.on(naming.date_of(name).unwrap_or(self.today));
        Ok(origin(connection, &naming, name)?.belongs_to_another_job(&source.mark(), &dump))
    }

    /// Ends `task` with `error`: as stopped after a signal, otherwise as failed.
    pub(super) fn fail(&self, task: OpenTask<'_>, error: &dyn Error) -> Stop {
        self.fail_with_text(task, &with_causes(error))
    }

    /// As [`fail`](Job::fail), with the error as text. If several tasks fail together, only the first is recorded as failed.
    pub(super) fn fail_with_text(&self, task: OpenTask<'_>, text: &str) -> Stop {
        if self.journal.read(RunRecord::errors) > 0 {
            task.leave_unfinished();
            return Stop;
        }
        let Err(interrupted) = self.interrupt.check() else {
            task.failed(text);
            return Stop;
        };
        // If the interrupt arrived during the pause before a retry, the error is that of the earlier attempt.
        let cause = interrupted.to_string();
        let text = if text == cause { cause } else { format!("{cause}; before that: {text}") };
        match interrupted.0 {
            Interruption::Sigint | Interruption::Sigterm => task.stopped(&text),
            Interruption::Deadline => task.failed(&text),
        }
        Stop
    }
}
