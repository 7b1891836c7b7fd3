//! Reports each request to the SFTP server to a watcher: before it is carried out, and before it is answered.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use russh_sftp::protocol::{Attrs, Data, FileAttributes, Handle, Name, OpenFlags, Packet, Status, StatusCode, Version};
use russh_sftp::server::Handler;

use super::sftp::Builder;
use super::sftp_faults::RequestFault;
use super::sftp_files::Files;
use super::sftp_replies::open_name;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Moment {
    /// Before it is carried out.
    Before,
    /// After it was carried out, before the answer.
    After,
}

#[derive(Debug, Clone, Copy)]
pub struct Operation<'a> {
    /// From 1, in order of arrival on all connections.
    pub number: u64,
    pub moment: Moment,
    /// The operation and the paths that the client sent: `write /a/.b.part`, `rename /a/.b.part /a/b`.
    pub what: &'a str,
}

pub type Watcher = Arc<dyn Fn(Operation<'_>) -> RequestFault + Send + Sync>;

#[derive(Clone, Default)]
pub struct Watch {
    watcher: Option<Watcher>,
    arrived: Arc<AtomicU64>,
}

/// The files of one connection, with the watcher of the server.
pub struct Watched {
    files: Files,
    watch: Watch,
}

impl Watched {
    pub fn new(files: Files, watch: Watch) -> Watched {
        Watched { files, watch }
    }

    async fn report(&self, number: u64, moment: Moment, what: &str) -> Result<(), StatusCode> {
        match &self.watch.watcher {
            Some(watcher) => self.files.apply(watcher(Operation { number, moment, what })).await,
            None => Ok(()),
        }
    }
}

/// Handles requests, and reports each before and after it is carried out.
macro_rules! watched {
    ($this:ident; $($name:ident($($argument:ident: $type:ty),*) -> $reply:ty { $what:expr })*) => {$(
        async fn $name(&mut $this, $($argument: $type),*) -> Result<$reply, StatusCode> {
            $this.files.set_busy(true);
            let what: String = $what;
            let number = $this.watch.arrived.fetch_add(1, Ordering::SeqCst) + 1;
            let reply = async {
                $this.report(number, Moment::Before, &what).await?;
                let reply = $this.files.$name($($argument),*).await;
                $this.report(number, Moment::After, &what).await?;
                reply
            };
            let reply = reply.await;
            $this.files.set_busy(false);
            reply
        }
    )*};
}

impl Handler for Watched {
    type Error = StatusCode;

    fn unimplemented(&self) -> StatusCode {
        self.files.unimplemented()
    }

    watched! { self;
        init(version: u32, extensions: HashMap<String, String>) -> Version { "init".to_owned() }
        open(id: u32, path: String, flags: OpenFlags, attributes: FileAttributes) -> Handle {
            format!("{} {path}", open_name(flags))
        }
        close(id: u32, handle: String) -> Status { self.files.describe("close", &handle) }
        read(id: u32, handle: String, offset: u64, length: u32) -> Data { self.files.describe("read", &handle) }
        write(id: u32, handle: String, offset: u64, data: Vec<u8>) -> Status { self.files.describe("write", &handle) }
        lstat(id: u32, path: String) -> Attrs { format!("lstat {path}") }
        stat(id: u32, path: String) -> Attrs { format!("stat {path}") }
        fstat(id: u32, handle: String) -> Attrs { self.files.describe("fstat", &handle) }
        opendir(id: u32, path: String) -> Handle { format!("opendir {path}") }
        readdir(id: u32, handle: String) -> Name { self.files.describe("readdir", &handle) }
        remove(id: u32, path: String) -> Status { format!("remove {path}") }
        rename(id: u32, from: String, to: String) -> Status { format!("rename {from} {to}") }
        mkdir(id: u32, path: String, attributes: FileAttributes) -> Status { format!("mkdir {path}") }
        rmdir(id: u32, path: String) -> Status { format!("rmdir {path}") }
        realpath(id: u32, path: String) -> Name { format!("realpath {path}") }
        extended(id: u32, request: String, data: Vec<u8>) -> Packet { request.clone() }
    }
}

impl Builder {
    /// Calls `watcher` before each request is carried out and again before it is answered. A returned fault replaces the
    /// next step. The connection waits for the watcher.
    pub fn on_operation(mut self, watcher: impl Fn(Operation<'_>) -> RequestFault + Send + Sync + 'static) -> Builder {
        self.watch.watcher = Some(Arc::new(watcher));
        self
    }
}
