//! What lies in the folder on the server, for the reports: noted on the way, or looked up after a failure.

use crate::destination::{Connection, Server};
use crate::pipeline::Job;
use crate::record::run_record::{FolderFacts, State};
use crate::record::task::Task;
use crate::rules::history;
use crate::rules::listing::{self, Entry};
use crate::runtime::error_chain::with_causes;

impl Job {
    /// Notes the archives of `listing` and the space that is free there.
    pub(super) fn note_folder(&self, connection: &Connection, listing: &[Entry]) {
        self.note(listing, connection.free_space());
    }

    /// The file called `name` is gone.
    pub(super) fn note_removed(&self, name: &str) {
        if let Some(folder) = &mut self.journal.record().lock().folder {
            folder.archives.retain(|archive| archive.name != name);
        }
    }

    /// Notes the space that is free now.
    pub(super) fn note_free_space(&self, connection: &Connection) {
        let free = connection.free_space();
        if let Some(folder) = &mut self.journal.record().lock().folder {
            folder.free = free;
        }
    }

    /// After a failure: looks what lies there, so that the reports can tell how old the last good archive is. It is one
    /// attempt, and none where the server has just been tried in vain, has turned us away, or the run has to end. What
    /// it comes to is no task and no fault of the run.
    pub(super) fn look_up_folder(&self, server: &Server) {
        if self.interrupt.check().is_err() {
            return;
        }
        {
            let mut record = self.journal.record().lock();
            let connecting = record.task(Task::ConnectToSftp);
            let why = match connecting.state {
                // The task itself has the rest, and the fix.
                State::Failed => connecting.text.split(". ").next().map(str::to_owned),
                _ if server.has_turned_away() => Some("a later connection was refused".to_owned()),
                _ => None,
            };
            if why.is_some() {
                record.folder_unseen = why;
                return;
            }
        }
        let looked = server.glance();
        self.tell_first_contact(server);
        match looked {
            Ok((listing, free)) => {
                self.note(&listing, free);
                tracing::info!("looked at the folder on the server, for the reports");
            }
            // The run has to end, which is told elsewhere.
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
        // A night that is repeated later has archives after it, which are as good.
        let today = self.today.max(record.started.date_naive());
        let mut archives = listing::archives(listing, &self.config.naming(), today);
        archives.retain(|archive| !record.is_name_taken || archive.date != self.today);
        let complete_since = history::complete_since(&archives, self.config.retention);
        record.folder = Some(FolderFacts { archives, complete_since, free });
    }
}
