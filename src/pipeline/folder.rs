//! Records facts about the folder on the server for the reports.

use crate::destination::{Connection, Server};
use crate::pipeline::job::Job;
use crate::pipeline::to_destination::report_first_contact;
use crate::record::run_record::{FolderFacts, State};
use crate::record::task::Task;
use crate::rules::history;
use crate::rules::listing::{self, Entry};
use crate::runtime::error_chain::with_causes;

impl Job {
    /// Records the archives of `listing`, and the free space: `free` if it is known.
    pub(super) fn record_folder(&self, connection: &Connection, listing: &[Entry], free: Option<u64>) {
        self.record(listing, free.or_else(|| connection.free_space()));
    }

    /// After a failure, lists the folder, so that the reports can state the age of the last good archive. Makes a single
    /// attempt, or none if the run was interrupted, the server was unreachable, or a login was refused. Does not change the
    /// run's result.
    pub(super) fn look_up_folder(&self, server: &Server) {
        if self.interrupt.check().is_err() {
            return;
        }
        let connecting = self.journal.read(|record| record.task(Task::ConnectToSftp).clone());
        let why = match connecting.state {
            // Only the problem: the task's own text has the advice.
            State::Failed => connecting.text.split(". ").next(),
            _ if server.was_refused() => Some("a later connection was refused"),
            _ => None,
        };
        if let Some(why) = why {
            self.journal.set_listing_error(why);
            return;
        }
        let listed = server.list_once();
        report_first_contact(&self.journal, server, self.dry_run);
        match listed {
            Ok((listing, free)) => {
                self.record(&listing, free);
                tracing::info!("listed the folder on the server, for the reports");
            }
            // The interrupt is already reported.
            Err(_) if self.interrupt.check().is_err() => {}
            Err(error) => {
                let why = with_causes(&error);
                tracing::info!("the folder on the server could not be listed: {why}");
                self.journal.set_listing_error(&why);
            }
        }
    }

    fn record(&self, listing: &[Entry], free: Option<u64>) {
        let (started, is_name_taken) = self.journal.read(|record| (record.started, record.is_name_taken));
        // A run for an earlier date also counts archives of later dates.
        let today = self.today.max(started.date_naive());
        let mut archives = listing::archives(listing, &self.config.naming(), today);
        archives.retain(|archive| !is_name_taken || archive.date != self.today);
        let complete_since = history::complete_since(&archives, self.config.retention);
        self.journal.set_folder(FolderFacts { archives, complete_since, free });
    }
}
