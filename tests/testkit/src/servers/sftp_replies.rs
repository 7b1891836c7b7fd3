//! Replies of the SFTP server, and paths as its clients write them.

use std::io;
use std::path::{Component, Path, PathBuf};

use russh_sftp::extensions::Statvfs;
use russh_sftp::protocol::{ExtendedReply, OpenFlags, Packet, Status, StatusCode};

pub(super) fn open_name(flags: OpenFlags) -> &'static str {
    if flags.intersects(OpenFlags::WRITE | OpenFlags::APPEND) { "open-to-write" } else { "open-to-read" }
}

pub(super) fn decode<T: serde::de::DeserializeOwned>(mut payload: axum::body::Bytes) -> Result<T, StatusCode> {
    russh_sftp::de::from_bytes(&mut payload).map_err(|_| StatusCode::BadMessage)
}

pub(super) fn space(id: u32, figures: rustix::io::Result<rustix::fs::StatVfs>) -> Result<Packet, StatusCode> {
    let figures = figures.map_err(|errno| code(errno.into()))?;
    let figures = Statvfs {
        block_size: figures.f_bsize,
        fragment_size: figures.f_frsize,
        blocks: figures.f_blocks,
        blocks_free: figures.f_bfree,
        blocks_avail: figures.f_bavail,
        inodes: figures.f_files,
        inodes_free: figures.f_ffree,
        inodes_avail: figures.f_favail,
        fs_id: figures.f_fsid,
        flags: figures.f_flag.bits(),
        name_max: figures.f_namemax,
    };
    let data = russh_sftp::ser::to_bytes(&figures).map_err(|_| StatusCode::Failure)?;
    Ok(Packet::ExtendedReply(ExtendedReply { id, data: data.to_vec() }))
}

/// A path of the client relative to the root; `..` cannot leave it.
pub(super) fn inside(path: &str) -> PathBuf {
    let mut inside = PathBuf::new();
    for component in Path::new(path).components() {
        match component {
            Component::Normal(name) => inside.push(name),
            Component::ParentDir => {
                inside.pop();
            }
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    inside
}

pub(super) fn is_dotfile(path: &str) -> bool {
    inside(path).file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'))
}

pub(super) fn ok(id: u32) -> Status {
    Status { id, status_code: StatusCode::Ok, error_message: "Success".to_owned(), language_tag: String::new() }
}

/// OpenSSH reports only these.
pub(super) fn code(error: io::Error) -> StatusCode {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => StatusCode::NoSuchFile,
        io::ErrorKind::PermissionDenied => StatusCode::PermissionDenied,
        _ => StatusCode::Failure,
    }
}
