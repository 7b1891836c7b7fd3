//! Reports every request to the SFTP server to a watcher: before it is carried out, and before it is answered.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use russh_sftp::protocol::{Attrs, Data, FileAttributes, Handle, Name, OpenFlags, Packet, Status, StatusCode, Version};
use russh_sftp::server::Handler;

use super::sftp::Builder;
use super::sftp_faults::Disturbance;
use super::sftp_files::Files;

/// When a request is reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Moment {
    /// Before it is carried out.
    Before,
    /// After it was carried out, before the answer.
    After,
}

/// A request of a client.
#[derive(Debug, Clone, Copy)]
pub struct Operation<'a> {
    /// Counts the requests of all connections, from 1.
    pub number: u64,
    pub moment: Moment,
    /// The operation and the client's paths: `write /a/.b.part`, `rename /a/.b.part /a/b`.
    pub what: &'a str,
}

pub type Watcher = Arc<dyn Fn(Operation<'_>) -> Disturbance + Send + Sync>;

/// The watcher of a server's requests, and their number.
#[derive(Clone, Default)]
pub struct Watch {
    watcher: Option<Watcher>,
    arrived: Arc<AtomicU64>,
}

/// The files of one connection, with a watcher.
pub struct Watched {
    files: Files,
    watch: Watch,
}

impl Watched {
    pub fn new(files: Files, watch: Watch) -> Watched {
        Watched { files, watch }
    }

    async fn show(&self, number: u64, moment: Moment, what: &str) -> Result<(), StatusCode> {
        match &self.watch.watcher {
            Some(watcher) => self.files.disturb(watcher(Operation { number, moment, what })).await,
            None => Ok(()),
        }
    }

    async fn begin(&self, what: &str) -> Result<u64, StatusCode> {
        let number = self.watch.arrived.fetch_add(1, Ordering::SeqCst) + 1;
        self.show(number, Moment::Before, what).await.map(|()| number)
    }
}

/// Carries a request out, and reports it before and after.
macro_rules! shown {
    ($this:ident, $what:expr, $call:ident($($argument:expr),*)) => {{
        let what: String = $what;
        let number = $this.begin(&what).await?;
        let answer = $this.files.$call($($argument),*).await;
        $this.show(number, Moment::After, &what).await?;
        answer
    }};
}

impl Handler for Watched {
    type Error = StatusCode;

    fn unimplemented(&self) -> StatusCode {
        self.files.unimplemented()
    }

    async fn init(&mut self, version: u32, extensions: HashMap<String, String>) -> Result<Version, StatusCode> {
        shown!(self, "init".to_owned(), init(version, extensions))
    }

    async fn open(
        &mut self,
        id: u32,
        path: String,
        flags: OpenFlags,
        attributes: FileAttributes,
    ) -> Result<Handle, StatusCode> {
        let is_written = flags.contains(OpenFlags::WRITE) || flags.contains(OpenFlags::APPEND);
        let how = if is_written { "open-to-write" } else { "open-to-read" };
        shown!(self, format!("{how} {path}"), open(id, path, flags, attributes))
    }

    async fn close(&mut self, id: u32, handle: String) -> Result<Status, StatusCode> {
        shown!(self, self.files.on("close", &handle), close(id, handle))
    }

    async fn read(&mut self, id: u32, handle: String, offset: u64, length: u32) -> Result<Data, StatusCode> {
        shown!(self, self.files.on("read", &handle), read(id, handle, offset, length))
    }

    async fn write(&mut self, id: u32, handle: String, offset: u64, data: Vec<u8>) -> Result<Status, StatusCode> {
        shown!(self, self.files.on("write", &handle), write(id, handle, offset, data))
    }

    async fn lstat(&mut self, id: u32, path: String) -> Result<Attrs, StatusCode> {
        shown!(self, format!("lstat {path}"), lstat(id, path))
    }

    async fn stat(&mut self, id: u32, path: String) -> Result<Attrs, StatusCode> {
        shown!(self, format!("stat {path}"), stat(id, path))
    }

    async fn fstat(&mut self, id: u32, handle: String) -> Result<Attrs, StatusCode> {
        shown!(self, self.files.on("fstat", &handle), fstat(id, handle))
    }

    async fn opendir(&mut self, id: u32, path: String) -> Result<Handle, StatusCode> {
        shown!(self, format!("opendir {path}"), opendir(id, path))
    }

    async fn readdir(&mut self, id: u32, handle: String) -> Result<Name, StatusCode> {
        shown!(self, self.files.on("readdir", &handle), readdir(id, handle))
    }

    async fn remove(&mut self, id: u32, path: String) -> Result<Status, StatusCode> {
        shown!(self, format!("remove {path}"), remove(id, path))
    }

    async fn rename(&mut self, id: u32, from: String, to: String) -> Result<Status, StatusCode> {
        shown!(self, format!("rename {from} {to}"), rename(id, from, to))
    }

    async fn mkdir(&mut self, id: u32, path: String, attributes: FileAttributes) -> Result<Status, StatusCode> {
        shown!(self, format!("mkdir {path}"), mkdir(id, path, attributes))
    }

    async fn rmdir(&mut self, id: u32, path: String) -> Result<Status, StatusCode> {
        shown!(self, format!("rmdir {path}"), rmdir(id, path))
    }

    async fn realpath(&mut self, id: u32, path: String) -> Result<Name, StatusCode> {
        shown!(self, format!("realpath {path}"), realpath(id, path))
    }

    async fn extended(&mut self, id: u32, request: String, data: Vec<u8>) -> Result<Packet, StatusCode> {
        shown!(self, request.clone(), extended(id, request, data))
    }
}

impl Builder {
    /// Calls `watcher` before each request is carried out and again before it is answered. A fault that it returns
    /// replaces what would follow. The connection waits for it.
    pub fn on_operation(mut self, watcher: impl Fn(Operation<'_>) -> Disturbance + Send + Sync + 'static) -> Builder {
        self.watch.watcher = Some(Arc::new(watcher));
        self
    }
}
