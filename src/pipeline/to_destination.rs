//! Tasks 6 to 8: from this machine to the SFTP server.

use indicatif::HumanBytes;

use crate::archive;
use crate::destination::{
    self, Connection, DestinationError, Durability, Publication, Published, ReadBack, Replaced, Server, Standing,
    Upload,
};
use crate::disk::spool::Spool;
use crate::pipeline::{Job, Stop, at_rate, failpoint};
use crate::record::run_record::{Delivery, NOT_KNOWN_YET};
use crate::record::task::Task;
use crate::rules::archive_name::restore_option;
use crate::rules::listing::{Kind, to_put_back};
use crate::runtime::error_chain::with_causes;

/// What task 7 leads to.
pub(super) struct Sent {
    state: SentState,
    /// The unfinished uploads of earlier runs that were removed before.
    cleared: Vec<String>,
}

/// How the archive stands on the server after task 7.
enum SentState {
    /// All of it lies under its temporary name.
    Part {
        /// Whether that took several links. What the server confirmed over a broken one it may have lost since.
        is_resumed: bool,
        /// Whether the server has it on its disk.
        durability: Durability,
    },
    /// The same bytes already had the final name; the connection that proved it.
    AlreadyThere(Connection),
}

/// What task 8 leads to.
pub(super) struct Verified {
    pub(super) connection: Connection,
    /// As in [`Sent`].
    pub(super) cleared: Vec<String>,
    /// The archive that was set aside for the new one, if there was one.
    pub(super) replaced: Option<Replaced>,
    /// Whether the server failed to put the new archive on its disk.
    pub(super) is_unsynced: bool,
}

impl Job {
    pub(super) fn connect(&self, server: &Server) -> Result<Connection, Stop> {
        let task = self.journal.begin(Task::ConnectToSftp);
        let sftp = &self.config.sftp;
        match server.connect() {
            Ok(connection) => {
                self.tell_first_contact(server);
                task.done(&format!("{} at {}:{}", sftp.username, sftp.host, sftp.port));
                Ok(connection)
            }
            Err(error) => {
                // known_hosts may hold it from now on, so that no later run reports it.
                self.tell_first_contact(server);
                Err(self.give_up(task, &error))
            }
        }
    }

    /// Tells the fingerprint of a host key that this run is the first to meet, once.
    pub(super) fn tell_first_contact(&self, server: &Server) {
        let Some(fingerprint) = server.new_fingerprint() else { return };
        if self.journal.record().lock().new_host_key.replace(fingerprint.to_owned()).is_some() {
            return;
        }
        let trust = if self.dry_run { NOT_KNOWN_YET } else { "is trusted from now on" };
        self.journal.info(
            Task::ConnectToSftp,
            &format!("first contact: the host key {fingerprint} {trust}; compare it with the server's own"),
        );
    }

    /// Reports what sending would do, and changes nothing.
    pub(super) fn rehearse_sending(&self, connection: &Connection) -> Result<(), Stop> {
        let (name, directory) = (self.archive_name(), &self.config.sftp.directory);
        match self.rehearsed(connection, &name) {
            Ok(standing) => {
                let text = format!("{name} would be sent to {directory}, where {standing}");
                self.journal.skip(Task::SendArchive, &text);
                Ok(())
            }
            Err(error) => Err(self.give_up(self.journal.begin(Task::SendArchive), &error)),
        }
    }

    /// What has the final name `name`, or would get it back.
    fn rehearsed(&self, connection: &Connection, name: &str) -> Result<String, DestinationError> {
        let listing = connection.list()?;
        let put_back = to_put_back(&listing, &self.config.naming()).into_iter().find(|(_, archive)| archive == name);
        let current = put_back.map_or(name.to_owned(), |(old, _)| old);
        let Some(entry) = listing.into_iter().find(|entry| entry.name == current) else {
            return Ok("nothing has that name yet".to_owned());
        };
        if entry.kind != Kind::File {
            return Err(DestinationError::NotAFile(entry.name));
        }
        if self.is_of_another_job(&connection.beginning(&current)?) {
            return Err(DestinationError::OfAnotherJob(current));
        }
        let size = entry.size.map(|size| format!(" of {}", HumanBytes(size))).unwrap_or_default();
        Ok(format!(
            "an archive{size} has that name already: the same bytes would be kept, others set aside and replaced"
        ))
    }

    /// Whether the archive that begins with `beginning` belongs to another job than this one.
    pub(super) fn is_of_another_job(&self, beginning: &[u8]) -> bool {
        let source = &self.config.source;
        archive::origin(beginning).is_of_another_job(&source.mark(), &source.dump)
    }

    /// Sends the archive, which may still grow meanwhile, to about `expected_size` bytes.
    pub(super) fn send_archive(
        &self,
        server: &Server,
        connection: Connection,
        archive: &Spool,
        expected_size: Option<u64>,
    ) -> Result<Sent, Stop> {
        let task = self.journal.begin(Task::SendArchive);
        failpoint("sending");
        let (naming, name) = (self.config.naming(), self.archive_name());
        let part = naming.part(&name);
        let mut upload = Upload::new(server, archive, expected_size, &part);
        let mut cleared = Vec::new();
        let is_of_another_job = |beginning: &[u8]| self.is_of_another_job(beginning);
        let publication = Publication::new(server, &naming, &name, archive, &is_of_another_job);
        let sent = server.with_connection("sending the archive", Some(connection), |connection| {
            let listing = destination::prepare(connection, &naming, &part, &mut cleared)?;
            let bar = self.progress.bar("Compare", expected_size);
            if publication.standing(connection, &bar)? == Standing::Same {
                return Ok(true);
            }
            upload.run(server, connection, &listing, &self.progress.bar("Send", expected_size))?;
            Ok(false)
        });
        match sent {
            Ok((true, connection)) => {
                task.done(&format!("{name} is already there, with the same bytes"));
                Ok(Sent { state: SentState::AlreadyThere(connection), cleared })
            }
            Ok((false, connection)) => {
                let over = match upload.connections() {
                    1 => String::new(),
                    several => format!(" over {several} connections"),
                };
                let size = self.size_of(archive);
                let rate = at_rate(size, task.elapsed());
                task.done(&format!("{} as {part}{rate}{over}", HumanBytes(size)));
                goodbye(connection);
                let state = SentState::Part { is_resumed: upload.is_resumed(), durability: upload.durability() };
                Ok(Sent { state, cleared })
            }
            Err(_) if archive.is_abandoned() => {
                // Packing it has ended, and tells why.
                task.leave();
                Err(Stop)
            }
            Err(error) => {
                if matches!(error, DestinationError::OfAnotherJob(_)) {
                    self.journal.record().lock().is_name_taken = true;
                }
                Err(self.give_up(task, &error))
            }
        }
    }

    pub(super) fn verify_archive(&self, server: &Server, sent: Sent, archive: &Spool) -> Result<Verified, Stop> {
        let task = self.journal.begin(Task::VerifyArchive);
        let (naming, name) = (self.config.naming(), self.archive_name());
        let is_of_another_job = |beginning: &[u8]| self.is_of_another_job(beginning);
        let mut publication = Publication::new(server, &naming, &name, archive, &is_of_another_job);
        let mut verify = || self.verify_and_publish(server, &naming.part(&name), archive, &mut publication);
        let (published, connection, durability) = match sent.state {
            SentState::AlreadyThere(connection) => (Published::AlreadyThere, connection, None),
            SentState::Part { is_resumed, durability } => {
                let verified = match verify() {
                    Err(error @ DestinationError::Different { .. }) if is_resumed => {
                        tracing::info!(
                            "not all that was sent before the link broke is there, sending it again: {error}"
                        );
                        self.send_again(server, &naming.part(&name), archive)
                            .and_then(|durability| Ok((verify()?, durability)))
                    }
                    other => other.map(|verified| (verified, durability)),
                };
                match verified {
                    Ok(((published, connection), durability)) => (published, connection, Some(durability)),
                    Err(error) => {
                        self.journal.info(Task::VerifyArchive, "sent, but not verified: the archive is not published");
                        return Err(self.give_up(task, &error));
                    }
                }
            }
        };
        let (delivery, how) = match &published {
            Published::New => (Delivery::Sent, "read back over a new connection and published"),
            Published::Replacement(_) => {
                (Delivery::Replaced, "read back over a new connection; it has replaced an archive with other bytes")
            }
            Published::AlreadyThere => (Delivery::AlreadyThere, "read back where it lies"),
        };
        self.journal.record().lock().delivery = Some(delivery);
        let rate = at_rate(self.size_of(archive), task.elapsed());
        let replaced = match published {
            Published::Replacement(replaced) => Some(replaced),
            Published::New | Published::AlreadyThere => None,
        };
        self.report_replaced(&name, replaced.as_ref());
        let is_unsynced = durability.is_some_and(|durability| self.report_durability(&name, &durability));
        task.done(&format!("{name}: {how}{rate}"));
        Ok(Verified { connection, cleared: sent.cleared, replaced, is_unsynced })
    }

    fn report_replaced(&self, name: &str, replaced: Option<&Replaced>) {
        let Some(Replaced { set_aside_as, size }) = replaced else { return };
        let size = size.map(|size| format!(" of {}", HumanBytes(size))).unwrap_or_default();
        let date = self.today;
        self.journal.warn(
            Task::VerifyArchive,
            &format!(
                "an archive{size} with other content was already called {name}: it is kept as {set_aside_as}, from which \
                 restore {} --date {date} restores the dump",
                restore_option(set_aside_as)
            ),
        );
    }

    /// Reports whether the server has the archive called `name` on its disk, and returns whether it failed to.
    fn report_durability(&self, name: &str, durability: &Durability) -> bool {
        match durability {
            Durability::Synced => false,
            Durability::NotOffered => {
                tracing::info!("the server does not say whether {name} is on its disk (no fsync@openssh.com)");
                false
            }
            Durability::Failed(why) => {
                self.journal.warn(
                    Task::VerifyArchive,
                    &format!(
                        "the server failed to sync {name} to its disk ({why}); check that disk and its free space"
                    ),
                );
                true
            }
        }
    }

    fn verify_and_publish(
        &self,
        server: &Server,
        part: &str,
        archive: &Spool,
        publication: &mut Publication<'_>,
    ) -> Result<(Published, Connection), DestinationError> {
        let bar = || self.progress.bar("Verify", Some(self.size_of(archive)));
        let read_back = ReadBack::new(server, archive, part)?;
        server.expect_transfer(self.size_of(archive));
        let ((), connection) = server.with_connection("verifying the archive", None, |connection| {
            read_back.run(server, connection, &bar()).inspect_err(|error| {
                if matches!(error, DestinationError::Different { .. })
                    && let Err(error) = connection.remove(part)
                {
                    tracing::debug!("{part:?} could not be removed at once ({error}); the next run does it");
                }
            })
        })?;
        server.with_connection("publishing the archive", Some(connection), |connection| {
            publication.publish(connection, &bar())
        })
    }

    fn send_again(&self, server: &Server, part: &str, archive: &Spool) -> Result<Durability, DestinationError> {
        let size = self.size_of(archive);
        let mut upload = Upload::new(server, archive, Some(size), part);
        let ((), connection) = server.with_connection("sending the archive", None, |connection| {
            upload.run(server, connection, &connection.list()?, &self.progress.bar("Send", Some(size)))
        })?;
        goodbye(connection);
        Ok(upload.durability())
    }

    pub(super) fn size_of(&self, archive: &Spool) -> u64 {
        archive.extent().map_or(0, |extent| extent.written)
    }
}

/// Ends a connection politely; if that fails, it ends all the same.
pub(super) fn goodbye(connection: Connection) {
    if let Err(error) = connection.close() {
        tracing::debug!("{}", with_causes(&error));
    }
}
