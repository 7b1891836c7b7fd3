//! Runs the before hook and tasks 2 to 10 of a run; [`Task`] lists all tasks in order.
//!
//! Each task records its own result. If one fails, the tasks after it are skipped, up to and including the removal.

mod folder;
mod from_source;
mod hooks;
mod job;
mod removal;
mod to_destination;
mod waiting;

use std::thread;
use std::time::Instant;

pub use hooks::run_after_hook;
pub use job::{Job, origin};
pub use removal::Removal;

use crate::archive::encrypted_size;
use crate::config::Archive;
use crate::destination::{Connection, Delivery, Server};
use crate::pipeline::from_source::Packing;
use crate::pipeline::job::{Arrival, Delivered, Stop};
use crate::record::task::Task;
use crate::rules::freshness::Freshness;
use crate::runtime::failpoint::failpoint;
use crate::runtime::worker::{inherit, propagate_panic};

impl Job {
    /// Runs the before hook and tasks 2 to 10. Their results are in the record.
    pub fn run(&self) {
        let server =
            Server::new(&self.config.sftp, &self.interrupt, &self.retry, (!self.dry_run, self.accounts.clone()));
        match self.run_before_hook().and_then(|()| self.deliver(&server)) {
            Ok(delivered) => self.remove_expired(delivered),
            Err(Stop) => {
                self.journal.stop_unfinished("an earlier task failed", false);
                self.look_up_folder(&server);
            }
        }
        self.clean_up();
    }

    /// Runs tasks 2 to 8. Starts over if the ZIP changes on the web server while it is read.
    fn deliver(&self, server: &Server) -> Result<Delivered, Stop> {
        let (attempts, end_of_wait) = (self.config.retry.attempts, self.end_of_wait());
        for attempt in 1..=attempts {
            let is_last = attempt == attempts;
            // A ZIP that changes between any two requests can still be read with a single one.
            let in_parts = attempt == 1 || !is_last;
            if let Some(delivered) = self.deliver_once(server, in_parts, end_of_wait, !is_last)? {
                return Ok(delivered);
            }
            tracing::info!("the ZIP changed on the web server while it was read; starting over");
        }
        Err(Stop)
    }

    /// Runs tasks 2 to 8 once. `None` if the ZIP has changed and `may_start_over`; otherwise a change is an error.
    fn deliver_once(
        &self,
        server: &Server,
        in_parts: bool,
        end_of_wait: Instant,
        may_start_over: bool,
    ) -> Result<Option<Delivered>, Stop> {
        let (zip, waited) = self.request_zip(in_parts, end_of_wait)?;
        failpoint("between tasks");
        let clock_difference = zip.server_time.map(|server_time| server_time.signed_duration_since((self.clock)()));
        let Some(dump) = self.find_dump(&zip, may_start_over)? else { return Ok(None) };
        let judgement = self.compare_dates(&zip, &dump, waited);
        let freshness = judgement.freshness;
        let Archive { compression, encrypt_to, .. } = &self.config.archive;
        let expected_size = dump.expected_archive_size(*compression).map(|size| match encrypt_to.len() {
            0 => size,
            recipients => encrypted_size(size, recipients),
        });
        let arrival = match (freshness, judgement.modified) {
            (Freshness::Fresh, Some(modified)) if !self.dry_run => {
                let packing = Packing { zip: &zip, dump: &dump, modified: modified.to_utc(), may_start_over };
                let Some(arrival) = self.deliver_archive(&packing, server, expected_size)? else { return Ok(None) };
                arrival
            }
            (Freshness::Fresh, _) => {
                self.journal.skip(Task::PackArchive, "dry run");
                let connection = self.connect(server)?;
                self.dry_run_send(&connection)?;
                self.journal.skip(Task::VerifyArchive, "dry run");
                Arrival::unchanged(connection, expected_size)
            }
            (Freshness::Stale(_), _) => {
                for task in [Task::PackArchive, Task::SendArchive, Task::VerifyArchive] {
                    self.journal.skip(task, "the dump is stale");
                }
                Arrival::unchanged(self.connect(server)?, None)
            }
        };
        Ok(Some(Delivered { freshness, clock_difference, arrival }))
    }

    /// Runs tasks 5 to 8. Tasks 5 to 7 run at the same time: the archive is sent while it grows. `None` if the ZIP has changed.
    fn deliver_archive(
        &self,
        packing: &Packing<'_>,
        server: &Server,
        expected_size: Option<u64>,
    ) -> Result<Option<Arrival>, Stop> {
        let (writer, spool) = self.create_spool(expected_size)?;
        let (naming, name) = (self.config.naming(), self.archive_name());
        let belongs_to_other_job = |connection: &Connection, name: &str| self.belongs_to_other_job(connection, name);
        let checksum = (packing.dump.entry().name.clone(), self.config.source.mark());
        let delivery = Delivery {
            server,
            naming: &naming,
            name: &name,
            spool: &spool,
            belongs_to_other_job: &belongs_to_other_job,
            checksum: self.config.archive.has_checksum.then_some(&checksum),
            progress: &self.progress,
        };
        server.expect_transfer(expected_size.unwrap_or(0));
        let sent = thread::scope(|scope| {
            let packing = scope.spawn(inherit(|| self.pack_archive(packing, writer, &spool)));
            // If sending ends early, even by a panic, packing ends too.
            let discard = spool.discard_on_drop();
            let sent =
                self.connect(server).and_then(|connection| self.send_archive(&delivery, connection, expected_size));
            drop(discard);
            if propagate_panic(packing.join())? { sent.map(Some) } else { Ok(None) }
        })?;
        sent.map(|sent| self.verify_archive(&delivery, sent)).transpose()
    }

    /// Unnamed temporary files and connections are already closed when they are dropped.
    fn clean_up(&self) {
        self.journal.begin(Task::CleanUp).done("removed temporary files and closed connections");
        self.journal.set_retries(self.retry.count());
    }
}
