//! Traits of SFTP services that are not a plain file system: object stores, servers with one writer, MFT servers.

use std::collections::HashSet;
use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::{Duration, Instant};

use russh_sftp::protocol::{OpenFlags, StatusCode};
use tempfile::TempDir;

use super::sftp::Builder;
use super::sftp_replies::code;

/// The setters of the builder describe the traits.
#[derive(Default)]
pub struct Traits {
    pub(super) banner: Option<String>,
    pub(super) reorders_writes: bool,
    pub(super) keeps_removed_files: bool,
    pub(super) slow_close: Duration,
    pub(super) slow_rename: Duration,
    pub(super) idle_limit: Option<Duration>,
    one_writer: bool,
    writes_in_order: bool,
    no_resume: bool,
    refuses_modes: bool,
    visible_at_close: bool,
    late_listing: Duration,
    login_folder: Option<String>,
    taken_after_close: bool,
    taken_after_rename: bool,
    late_write: Option<u64>,
    max_connections: Option<usize>,
    max_logins: Option<usize>,
    was_late: AtomicBool,
    logged_in: Mutex<HashSet<u64>>,
    /// Files that are open for writing, each with the number of its connection.
    writers: Mutex<Vec<(PathBuf, u64)>>,
    changes: Mutex<Vec<Change>>,
    /// Holds what clients cannot see.
    hidden: OnceLock<TempDir>,
    hidden_files: AtomicU64,
}

/// A change of the folder that a listing may not show yet.
struct Change {
    time: Instant,
    path: PathBuf,
    before: Option<Metadata>,
}

/// A file that is open for writing. Dropping it discards an object that was not published.
pub struct Opened {
    traits: Arc<Traits>,
    connection: u64,
    path: PathBuf,
    /// Replaces the file when it is closed.
    object: Option<PathBuf>,
    /// Where the next write in order begins.
    end: u64,
    /// The offset of a write that changes when the file is closed.
    late: Option<u64>,
}

impl Traits {
    /// The path that the client's `path` means, if that is not the path itself.
    pub(super) fn absolute(&self, path: &str) -> Option<String> {
        let folder = self.login_folder.as_ref().filter(|_| !path.starts_with('/'))?;
        Some(format!("{folder}/{path}"))
    }

    /// Whether `connection` may log in.
    pub(super) fn admit(&self, connection: u64) -> bool {
        let mut logged_in = self.logged_in.lock().unwrap();
        let is_admitted = self.max_connections.is_none_or(|limit| logged_in.len() < limit);
        is_admitted && logged_in.insert(connection)
    }

    /// Whether the right credential of an admitted connection is accepted.
    pub(super) fn accepts_login(&self) -> bool {
        self.max_logins.is_none_or(|limit| self.logged_in.lock().unwrap().len() <= limit)
    }

    /// Must be called when `connection` ends.
    pub(super) fn release(&self, connection: u64) {
        self.logged_in.lock().unwrap().remove(&connection);
        self.writers.lock().unwrap().retain(|(_, writer)| *writer != connection);
    }

    /// Opens `path`, a path on this machine, for writing.
    pub(super) fn open_to_write(
        self: &Arc<Traits>,
        path: &Path,
        flags: OpenFlags,
        has_mode: bool,
        connection: u64,
    ) -> Result<(File, Opened), StatusCode> {
        if self.refuses_modes && has_mode {
            return Err(StatusCode::PermissionDenied);
        }
        let exists = path.exists();
        let mut writers = self.writers.lock().unwrap();
        let is_resumed = exists && !flags.contains(OpenFlags::TRUNCATE);
        if path.is_dir()
            || self.no_resume && is_resumed
            || self.one_writer && writers.iter().any(|(open, _)| open == path)
        {
            return Err(StatusCode::Failure);
        }
        let (file, object) = if self.visible_at_close {
            if exists && flags.contains(OpenFlags::EXCLUDE) {
                return Err(StatusCode::Failure);
            }
            if !exists && !flags.contains(OpenFlags::CREATE) {
                return Err(StatusCode::NoSuchFile);
            }
            let object = self.hidden_path();
            (File::options().read(true).write(true).create_new(true).open(&object), Some(object))
        } else {
            if !exists {
                self.will_change(path);
            }
            (fs::OpenOptions::from(flags).open(path), None)
        };
        let file = file.map_err(code)?;
        let end = file.metadata().map_err(code)?.len();
        writers.push((path.to_owned(), connection));
        Ok((file, Opened { traits: Arc::clone(self), connection, path: path.to_owned(), object, end, late: None }))
    }

    /// Records how `path` is listed before a change.
    pub(super) fn will_change(&self, path: &Path) {
        if !self.late_listing.is_zero() {
            let before = fs::symlink_metadata(path).ok();
            self.changes.lock().unwrap().push(Change { time: Instant::now(), path: path.to_owned(), before });
        }
    }

    /// Replaces the current `entries` of `folder` with those that are listed now.
    pub(super) fn as_listed(&self, folder: &Path, entries: &mut Vec<(String, Metadata)>) {
        let mut changes = self.changes.lock().unwrap();
        changes.retain(|change| change.time.elapsed() < self.late_listing);
        // The oldest change of a name is applied last.
        for Change { path, before, .. } in changes.iter().rev().filter(|change| change.path.parent() == Some(folder)) {
            let name = path.file_name().unwrap().to_str().unwrap();
            entries.retain(|(listed, _)| listed != name);
            entries.extend(before.clone().map(|metadata| (name.to_owned(), metadata)));
        }
    }

    pub(super) fn after_close(&self, path: &Path) -> io::Result<()> {
        if self.taken_after_close { self.take_away(path) } else { Ok(()) }
    }

    pub(super) fn after_rename(&self, path: &Path) -> io::Result<()> {
        if self.taken_after_rename { self.take_away(path) } else { Ok(()) }
    }

    fn take_away(&self, path: &Path) -> io::Result<()> {
        self.will_change(path);
        fs::rename(path, self.hidden_path())
    }

    fn hidden_path(&self) -> PathBuf {
        let folder = self.hidden.get_or_init(|| tempfile::tempdir().unwrap());
        folder.path().join(self.hidden_files.fetch_add(1, Ordering::SeqCst).to_string())
    }
}

impl Opened {
    /// Must be called before each write.
    pub(super) fn will_write(&mut self, offset: u64, length: u64) -> Result<(), StatusCode> {
        if self.traits.writes_in_order && offset != self.end {
            return Err(StatusCode::Failure);
        }
        self.end = offset + length;
        let is_late = self.traits.late_write.is_some_and(|first| offset >= first);
        if is_late && !self.traits.was_late.swap(true, Ordering::SeqCst) {
            self.late = Some(offset);
        }
        Ok(())
    }

    /// Closes the file, and makes an object visible.
    pub(super) fn publish(mut self) -> io::Result<()> {
        let written = self.object.as_ref().unwrap_or(&self.path);
        if let Some(offset) = self.late {
            let file = File::options().read(true).write(true).open(written)?;
            let mut byte = [0];
            file.read_exact_at(&mut byte, offset)?;
            file.write_all_at(&[!byte[0]], offset)?;
        }
        if let Some(object) = self.object.take() {
            self.traits.will_change(&self.path);
            fs::rename(object, &self.path)?;
        }
        Ok(())
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        let mut writers = self.traits.writers.lock().unwrap();
        if let Some(own) = writers.iter().position(|(path, writer)| *path == self.path && *writer == self.connection) {
            writers.remove(own);
        }
        if let Some(object) = &self.object {
            let _ = fs::remove_file(object);
        }
    }
}

/// The end of a connection's last request; `None` during a request.
pub(super) type IdleSince = Mutex<Option<Instant>>;

/// Calls `end` once the connection had no request for `limit`.
pub(super) async fn end_if_idle(limit: Duration, idle_since: Weak<IdleSince>, end: impl AsyncFnOnce()) {
    while let Some(idle_since) = idle_since.upgrade() {
        let idle = idle_since.lock().unwrap().map_or(Duration::ZERO, |since| since.elapsed());
        drop(idle_since);
        match limit.checked_sub(idle).filter(|left| !left.is_zero()) {
            Some(left) => tokio::time::sleep(left).await,
            None => return end().await,
        }
    }
}

impl Builder {
    setters! { self;
        /// Identifies itself with `text`, such as `SSH-2.0-AWS_SFTP_1.1`.
        banner(text: &str) { self.traits.banner = Some(text.to_owned()); }
        /// Refuses to open a file for writing that is open for writing, on any connection.
        one_writer() { self.traits.one_writer = true; }
        /// Refuses a write that does not begin where the previous one of its handle ended.
        writes_in_order() { self.traits.writes_in_order = true; }
        /// Refuses to open an existing file for writing unless it is truncated.
        no_resume() { self.traits.no_resume = true; }
        /// Writes each file to a hidden object, which replaces the file when it is closed, and is discarded if the connection
        /// ends before.
        visible_at_close() { self.traits.visible_at_close = true; }
        /// Lists a new, renamed or removed file as it was before, for this time. Other requests see it as it is.
        late_listing(duration: Duration) { self.traits.late_listing = duration; }
        /// Delays the close of a written file.
        slow_close(duration: Duration) { self.traits.slow_close = duration; }
        /// Delays each rename.
        slow_rename(duration: Duration) { self.traits.slow_rename = duration; }
        /// Closes a connection before the login while `connections` others are logged in.
        max_connections(connections: usize) { self.traits.max_connections = Some(connections); }
        /// Refuses every credential while `connections` others are connected.
        max_logins(connections: usize) { self.traits.max_logins = Some(connections); }
        /// Refuses to open a file for writing with permissions.
        refusing_modes() { self.traits.refuses_modes = true; }
        /// Reports success for each removal, and keeps the file.
        keeps_removed_files() { self.traits.keeps_removed_files = true; }
        /// Resolves relative paths in this folder below the root.
        login_folder(path: &str) { self.traits.login_folder = Some(path.to_owned()); }
        /// Closes a connection that had no SFTP request for this time.
        idle_limit(duration: Duration) { self.traits.idle_limit = Some(duration); }
        /// Moves each written file out of the folder when it is closed.
        takes_away_after_close() { self.traits.taken_after_close = true; }
        /// Moves each renamed file out of the folder.
        takes_away_after_rename() { self.traits.taken_after_rename = true; }
        /// Swaps two writes to the same handle that arrive together, as a server with several threads may.
        reorders_writes() { self.traits.reorders_writes = true; }
        /// Changes a byte of the first write at or after this offset when the file is closed. Only once.
        late_write(offset: u64) { self.traits.late_write = Some(offset); }
    }
}
