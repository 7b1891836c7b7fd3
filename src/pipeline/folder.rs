//! Facts about the folder on the server for the reports: recorded during the run, or looked up after a failure.

use crate::destination::{Connection, Server};
use crate::pipeline::job::Job;
use crate::record::run_record::{FolderFacts, State};
use crate::record::task::Task;
use crate::rules::history;
use crate::rules::retention::Entry;
use crate::runtime::error_chain::with_causes;

impl Job {
    /// Records the archives of `listing`, and the free space.
    pub(super) fn note_folder(&self, connection: &Connection, listing: &[Entry]) {
        self.note(listing, connection.free_space());
    }

    /// The file called `name` was removed.
    pub(super) fn note_removed(&self, name: &str) {
        if let Some(folder) = &mut self.journal.record().lock().folder {
            folder.archives.retain(|archive| archive.name != name);
        }
    }

    pub(super) fn note_free_space(&self, connection: &Connection) {
        let free = connection.free_space();
        if let Some(folder) = &mut self.journal.record().lock().folder {
            folder.free = free;
        }
    }

    /// After a failure, lists the folder, so that the reports can give the age of the last good archive. This is a single
    /// attempt. It is not made if the run was interrupted, the server could not be reached, or it refused a login. Its result
    /// does not change the run's.
    pub(super) fn look_up_folder(&self, server: &Server) {
        if self.interrupt.check().is_err() {
            return;
        }
        {
            let mut record = self.journal.record().lock();
            let connecting = record.task(Task::ConnectToSftp);
            let why = match connecting.state {
                // The task's own text has the fix.
                State::Failed => connecting.text.split(". ").next().map(str::to_owned),
                _ if server.has_turned_away() => Some("a later connection was refused".to_owned()),
                _ => None,
            };
            if why.is_some() {
                record.folder_unseen = why;
                return;
            }
        }
        let listed = server.list_once();
        self.report_first_contact(server);
        match listed {
            Ok((listing, free)) => {
                self.note(&listing, free);
                tracing::info!("listed the folder on the server, for the reports");
            }
            // The interrupt is reported elsewhere.
            Err(_) if self.interrupt.check().is_err() => {}
            Err(error) => {
                let why = with_causes(&error);
                tracing::info!("the folder on the server could not be looked at: {why}");
                let mut record = self.journal.record().lock();
                record.folder_unseen = Some(record.clean(&why));
            }
        }
    }

    fn note(&self, listing: &[Entry], free: Option<u64>) {
        let mut record = self.journal.record().lock();
        // If the run is for an earlier date, there may be archives of later ones, which count too.
        let today = self.today.max(record.started.date_naive());
        let mut archives = history::archives(listing, &self.config.naming(), today);
        archives.retain(|archive| !record.is_name_taken || archive.date != self.today);
        let complete_since = history::complete_since(&archives, self.config.retention);
        record.folder = Some(FolderFacts { archives, complete_since, free });
    }
}
