//! The files of the SFTP server: version 3 of the protocol on a real folder, with OpenSSH's behaviour.
//!
//! The protocol is draft-ietf-secsh-filexfer-02; OpenSSH's file `PROTOCOL` specifies the extensions.

use std::collections::{HashMap, VecDeque};
use std::fs::{self, File, Metadata};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use russh::Disconnect;
use russh::server::Handle as Session;
use russh_sftp::extensions::{FSYNC, FsyncExtension, STATVFS, StatvfsExtension};
use russh_sftp::protocol::{Attrs, Data, FileAttributes, Handle, Name, OpenFlags, Packet, Status, StatusCode, Version};
use tokio::sync::watch;

use super::sftp_faults::{Faults, RequestFault};
use super::sftp_replies::{code, decode, inside, is_dotfile, ok, open_name, space};
use super::sftp_traits::{IdleSince, Opened, Traits, end_if_idle};

/// OpenSSH's limit for one answer.
const MAX_NAMES: usize = 100;

const FSTATVFS: &str = "fstatvfs@openssh.com";

pub type Operations = Arc<Mutex<Vec<String>>>;

enum Open {
    File { file: File, path: PathBuf, written: Option<Opened> },
    Folder(VecDeque<russh_sftp::protocol::File>),
}

/// The connection of a client.
#[derive(Clone)]
pub struct Connection {
    pub number: u64,
    pub session: Session,
    /// Closed at the end of the connection.
    pub closed: watch::Receiver<()>,
}

impl Connection {
    async fn end(&self, traits: &Traits) {
        // The session itself ends only when the client closes it.
        traits.release(self.number);
        let _ = self.session.disconnect(Disconnect::ByApplication, String::new(), String::new()).await;
    }
}

/// The files of one connection.
pub struct Files {
    root: PathBuf,
    faults: Arc<Faults>,
    traits: Arc<Traits>,
    operations: Operations,
    connection: Connection,
    idle_since: Arc<IdleSince>,
    open: HashMap<String, Open>,
    opened: u64,
    listed: u64,
}

impl Files {
    pub fn new(
        root: PathBuf,
        (faults, traits): (Arc<Faults>, Arc<Traits>),
        operations: Operations,
        connection: Connection,
    ) -> Files {
        let idle_since = Arc::new(Mutex::new(Some(Instant::now())));
        if let Some(limit) = traits.idle_limit {
            let (idle_since, connection, traits) =
                (Arc::downgrade(&idle_since), connection.clone(), Arc::clone(&traits));
            let end = async move || connection.end(&traits).await;
            tokio::spawn(end_if_idle(limit, idle_since, end));
        }
        let open = HashMap::new();
        Files { root, faults, traits, operations, connection, idle_since, open, opened: 0, listed: 0 }
    }

    /// Must be called at the beginning and at the end of each request.
    pub(super) fn set_busy(&self, is_busy: bool) {
        *self.idle_since.lock().unwrap() = (!is_busy).then(Instant::now);
    }

    /// A path of the client relative to the root.
    fn inside(&self, path: &str) -> PathBuf {
        self.traits.absolute(path).map_or_else(|| inside(path), |path| inside(&path))
    }

    fn record(&self, operation: &str, paths: &[&str]) {
        let paths: Vec<String> = paths.iter().map(|path| format!("/{}", self.inside(path).display())).collect();
        self.operations.lock().unwrap().push(format!("{operation} {}", paths.join(" ")));
    }

    /// `path` on this machine. Fails if a link in its folders leads out of the root.
    fn locate(&self, path: &str) -> Result<PathBuf, StatusCode> {
        let inside = self.inside(path);
        let Some(name) = inside.file_name() else { return Ok(self.root.clone()) };
        let folder = self.root.join(inside.parent().unwrap_or(Path::new(""))).canonicalize().map_err(code)?;
        if folder.starts_with(&self.root) { Ok(folder.join(name)) } else { Err(StatusCode::NoSuchFile) }
    }

    /// Like [`locate`](Files::locate), but follows a link at the end of the path.
    fn follow(&self, path: &str) -> Result<PathBuf, StatusCode> {
        let located = self.locate(path)?;
        match located.canonicalize() {
            Ok(target) if !target.starts_with(&self.root) => Err(StatusCode::NoSuchFile),
            Ok(target) => Ok(target),
            Err(_) => Ok(located),
        }
    }

    fn insert(&mut self, id: u32, open: Open) -> Handle {
        self.opened += 1;
        let handle = self.opened.to_string();
        self.open.insert(handle.clone(), open);
        Handle { id, handle }
    }

    fn file(&self, handle: &str) -> Result<&File, StatusCode> {
        match self.open.get(handle) {
            Some(Open::File { file, .. }) => Ok(file),
            _ => Err(StatusCode::Failure),
        }
    }

    /// `operation` and the path of the open file behind `handle`.
    pub(super) fn describe(&self, operation: &str, handle: &str) -> String {
        match self.open.get(handle) {
            Some(Open::File { path, .. }) => {
                let inside = path.strip_prefix(&self.root).unwrap_or(path);
                format!("{operation} {}", inside.display())
            }
            _ => operation.to_owned(),
        }
    }

    fn attributes(&self, metadata: &Metadata) -> FileAttributes {
        // The protocol sends both times or none.
        let modified = self.faults.reported_time(metadata.mtime() as u32);
        FileAttributes {
            size: Some(metadata.len()),
            uid: Some(metadata.uid()),
            gid: Some(metadata.gid()),
            permissions: Some(metadata.mode()),
            atime: modified.map(|_| metadata.atime() as u32),
            mtime: modified,
            ..FileAttributes::default()
        }
    }

    async fn disconnect(&self) -> StatusCode {
        self.connection.end(&self.traits).await;
        self.connection_end().await
    }

    /// Waits for the end of the connection, so that its files are closed then.
    async fn connection_end(&self) -> StatusCode {
        let _ = self.connection.closed.clone().changed().await;
        StatusCode::ConnectionLost
    }

    pub(super) async fn apply(&self, fault: RequestFault) -> Result<(), StatusCode> {
        match fault {
            RequestFault::None => Ok(()),
            RequestFault::Status(status) => Err(status),
            RequestFault::Failure => Err(StatusCode::Failure),
            RequestFault::NoReply => Err(self.connection_end().await),
            RequestFault::Disconnect => Err(self.disconnect().await),
        }
    }
}

impl russh_sftp::server::Handler for Files {
    type Error = StatusCode;

    fn unimplemented(&self) -> StatusCode {
        StatusCode::OpUnsupported
    }

    async fn init(&mut self, _version: u32, _extensions: HashMap<String, String>) -> Result<Version, StatusCode> {
        let mut version = Version::new();
        if !self.faults.no_extensions {
            version.extensions.insert(STATVFS.to_owned(), "2".to_owned());
            version.extensions.insert(FSTATVFS.to_owned(), "2".to_owned());
            version.extensions.insert(FSYNC.to_owned(), "1".to_owned());
        }
        Ok(version)
    }

    async fn open(
        &mut self,
        id: u32,
        path: String,
        flags: OpenFlags,
        attributes: FileAttributes,
    ) -> Result<Handle, StatusCode> {
        let is_written = flags.intersects(OpenFlags::WRITE | OpenFlags::APPEND);
        self.record(open_name(flags), &[&path]);
        if is_written && self.faults.no_dotfiles && is_dotfile(&path) {
            return Err(StatusCode::PermissionDenied);
        }
        let located = self.follow(&path)?;
        let (file, written) = if is_written {
            let opened =
                self.traits.open_to_write(&located, flags, attributes.permissions.is_some(), self.connection.number)?;
            (opened.0, Some(opened.1))
        } else {
            (fs::OpenOptions::from(flags).open(&located).map_err(code)?, None)
        };
        if file.metadata().map_err(code)?.is_dir() {
            return Err(StatusCode::Failure);
        }
        Ok(self.insert(id, Open::File { file, path: located, written }))
    }

    async fn close(&mut self, id: u32, handle: String) -> Result<Status, StatusCode> {
        match self.open.remove(&handle) {
            None => Err(StatusCode::Failure),
            Some(Open::File { written: Some(_), .. }) if self.faults.fails_close => Err(StatusCode::Failure),
            Some(Open::File { file, path, written: Some(written) }) => {
                drop(file);
                tokio::time::sleep(self.traits.slow_close).await;
                written.publish().map_err(code)?;
                if let Some(action) = &self.faults.after_upload {
                    action(&path);
                }
                self.traits.after_close(&path).map_err(code)?;
                Ok(ok(id))
            }
            Some(_) => Ok(ok(id)),
        }
    }

    async fn read(&mut self, id: u32, handle: String, offset: u64, length: u32) -> Result<Data, StatusCode> {
        let max = self.faults.max_read.unwrap_or(256 * 1024);
        let mut data = vec![0; length.min(max) as usize];
        let count = self.file(&handle)?.read_at(&mut data, offset).map_err(code)?;
        if count == 0 {
            return Err(StatusCode::Eof);
        }
        self.apply(self.faults.on_read(count as u64)).await?;
        data.truncate(count);
        Ok(Data { id, data })
    }

    async fn write(&mut self, id: u32, handle: String, offset: u64, mut data: Vec<u8>) -> Result<Status, StatusCode> {
        self.apply(self.faults.on_write(data.len() as u64)).await?;
        if self.faults.corrupts_writes
            && let Some(last) = data.last_mut()
        {
            *last ^= 1;
        }
        if let Some(Open::File { written: Some(written), .. }) = self.open.get_mut(&handle) {
            written.will_write(offset, data.len() as u64)?;
        }
        self.file(&handle)?.write_all_at(&data, offset).map_err(code)?;
        Ok(ok(id))
    }

    async fn lstat(&mut self, id: u32, path: String) -> Result<Attrs, StatusCode> {
        let metadata = fs::symlink_metadata(self.locate(&path)?).map_err(code)?;
        Ok(Attrs { id, attrs: self.attributes(&metadata) })
    }

    async fn stat(&mut self, id: u32, path: String) -> Result<Attrs, StatusCode> {
        tokio::time::sleep(self.faults.stat_delay).await;
        let metadata = fs::metadata(self.follow(&path)?).map_err(code)?;
        Ok(Attrs { id, attrs: self.attributes(&metadata) })
    }

    async fn fstat(&mut self, id: u32, handle: String) -> Result<Attrs, StatusCode> {
        let metadata = self.file(&handle)?.metadata().map_err(code)?;
        Ok(Attrs { id, attrs: self.attributes(&metadata) })
    }

    async fn opendir(&mut self, id: u32, path: String) -> Result<Handle, StatusCode> {
        self.record("opendir", &[&path]);
        let folder = self.follow(&path)?;
        let own = russh_sftp::protocol::File::new(".", self.attributes(&fs::metadata(&folder).map_err(code)?));
        let parent = russh_sftp::protocol::File { filename: "..".to_owned(), ..own.clone() };
        let mut listed = Vec::new();
        for entry in fs::read_dir(&folder).map_err(code)? {
            let entry = entry.map_err(code)?;
            // The library supports only names that are UTF-8.
            if let (Ok(name), Ok(metadata)) = (entry.file_name().into_string(), entry.metadata()) {
                listed.push((name, metadata));
            }
        }
        self.traits.as_listed(&folder, &mut listed);
        let mut entries = VecDeque::from([own, parent]);
        entries.extend(
            listed.into_iter().map(|(name, found)| russh_sftp::protocol::File::new(name, self.attributes(&found))),
        );
        Ok(self.insert(id, Open::Folder(entries)))
    }

    async fn readdir(&mut self, id: u32, handle: String) -> Result<Name, StatusCode> {
        if let Some(name) = self.faults.endless_listing {
            self.listed += 1;
            // Several long names do not fit into one answer.
            let count = if name(0).len() > 1_000 { 1 } else { MAX_NAMES as u64 };
            let numbers = (self.listed - 1) * count..self.listed * count;
            let attributes =
                FileAttributes { size: Some(1), permissions: Some(0o100_600), ..FileAttributes::default() };
            let file = |number| russh_sftp::protocol::File::new(name(number), attributes.clone());
            return Ok(Name { id, files: numbers.map(file).collect() });
        }
        match self.open.get_mut(&handle) {
            Some(Open::Folder(entries)) if entries.is_empty() => Err(StatusCode::Eof),
            Some(Open::Folder(entries)) => {
                let files = entries.drain(..entries.len().min(MAX_NAMES)).collect();
                Ok(Name { id, files })
            }
            _ => Err(StatusCode::Failure),
        }
    }

    async fn remove(&mut self, id: u32, path: String) -> Result<Status, StatusCode> {
        self.record("remove", &[&path]);
        if self.faults.no_removal {
            return Err(StatusCode::PermissionDenied);
        }
        // The action may block, and other connections must continue.
        tokio::task::block_in_place(|| self.faults.before_removal());
        let located = self.locate(&path)?;
        if !self.traits.keeps_removed_files {
            self.traits.will_change(&located);
            fs::remove_file(located).map_err(code)?;
        }
        Ok(ok(id))
    }

    async fn rename(&mut self, id: u32, from: String, to: String) -> Result<Status, StatusCode> {
        self.record("rename", &[&from, &to]);
        if self.faults.no_rename {
            return Err(StatusCode::PermissionDenied);
        }
        tokio::time::sleep(self.traits.slow_rename).await;
        let (source, target) = (self.locate(&from)?, self.locate(&to)?);
        // OpenSSH creates a link and unlinks the source, which fails with this status if the target exists.
        if fs::symlink_metadata(&target).is_ok() {
            return Err(StatusCode::Failure);
        }
        self.traits.will_change(&source);
        self.traits.will_change(&target);
        fs::rename(source, &target).map_err(code)?;
        self.traits.after_rename(&target).map_err(code)?;
        self.apply(self.faults.on_rename_reply()).await?;
        Ok(ok(id))
    }

    async fn mkdir(&mut self, id: u32, path: String, _attributes: FileAttributes) -> Result<Status, StatusCode> {
        self.record("mkdir", &[&path]);
        fs::create_dir(self.locate(&path)?).map_err(code)?;
        Ok(ok(id))
    }

    async fn rmdir(&mut self, id: u32, path: String) -> Result<Status, StatusCode> {
        self.record("rmdir", &[&path]);
        fs::remove_dir(self.locate(&path)?).map_err(code)?;
        Ok(ok(id))
    }

    async fn realpath(&mut self, id: u32, path: String) -> Result<Name, StatusCode> {
        let located = self.follow(&path)?;
        let below = located.strip_prefix(&self.root).unwrap_or(Path::new(""));
        let name = format!("/{}", below.display());
        Ok(Name { id, files: vec![russh_sftp::protocol::File::dummy(name)] })
    }

    async fn extended(&mut self, id: u32, name: String, data: Vec<u8>) -> Result<Packet, StatusCode> {
        if self.faults.no_extensions {
            return Err(StatusCode::OpUnsupported);
        }
        let payload = axum::body::Bytes::from(data);
        match name.as_str() {
            FSYNC => {
                let request: FsyncExtension = decode(payload)?;
                self.apply(self.faults.sync).await?;
                self.file(&request.handle)?.sync_all().map_err(code)?;
                Ok(Packet::Status(ok(id)))
            }
            STATVFS => {
                let request: StatvfsExtension = decode(payload)?;
                space(id, rustix::fs::statvfs(self.follow(&request.path)?))
            }
            FSTATVFS => {
                // The same form as for fsync: only a handle.
                let request: FsyncExtension = decode(payload)?;
                space(id, rustix::fs::fstatvfs(self.file(&request.handle)?))
            }
            _ => Err(StatusCode::OpUnsupported),
        }
    }
}
