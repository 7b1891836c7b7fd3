//! Writes a file that appears under its name complete or not at all, even if the program is killed or the power fails.
//!
//! While it is written it has no name (O_TMPFILE, open(2)), so that even SIGKILL leaves nothing. On a file system without
//! such files it has a hidden temporary name, which only SIGKILL and a power failure leave.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, OFlags, linkat};
use tempfile::NamedTempFile;

/// For its owner alone.
const MODE: u32 = 0o600;

/// A file being written, readable only by its owner.
#[derive(Debug)]
pub struct AtomicFile {
    path: PathBuf,
    inner: Inner,
}

#[derive(Debug)]
enum Inner {
    Unnamed(File),
    Named(NamedTempFile),
}

/// Writes `bytes` to the file `path` with `mode`, as [`AtomicFile::publish`] does.
pub fn write(path: &Path, bytes: &[u8], mode: u32, force: bool) -> io::Result<()> {
    let file = AtomicFile::create(path)?;
    file.as_file().write_all(bytes)?;
    file.publish(mode, force)
}

impl AtomicFile {
    /// An empty file that will be called `path`.
    pub fn create(path: &Path) -> io::Result<AtomicFile> {
        let inner = match unnamed(folder_of(path))? {
            Some(file) => Inner::Unnamed(file),
            None => named(folder_of(path))?,
        };
        Ok(AtomicFile { path: path.to_owned(), inner })
    }

    /// The same file, to be called `name` in the same folder.
    pub fn with_name(self, name: &str) -> AtomicFile {
        AtomicFile { path: folder_of(&self.path).join(name), ..self }
    }

    /// The path to be.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn as_file(&self) -> &File {
        match &self.inner {
            Inner::Unnamed(file) => file,
            Inner::Named(file) => file.as_file(),
        }
    }

    /// Sets its `mode` regardless of the umask, syncs it to the disk, gives it its name, and syncs the folder. If `force`, it
    /// atomically replaces what has the name; a symbolic link is replaced, too, not followed.
    ///
    /// # Errors
    /// [`AlreadyExists`](io::ErrorKind::AlreadyExists) without `force`; others if the system refuses. Nothing is left of the
    /// file then.
    pub fn publish(self, mode: u32, force: bool) -> io::Result<()> {
        self.as_file().set_permissions(Permissions::from_mode(mode))?;
        self.as_file().sync_all()?;
        let AtomicFile { path, inner } = self;
        match inner {
            Inner::Named(file) if force => file.persist(&path).map(drop)?,
            Inner::Named(file) => file.persist_noclobber(&path).map(drop)?,
            Inner::Unnamed(file) => match link(&file, &path) {
                // linkat(2) replaces nothing; rename(2) does.
                Err(error) if force && error.kind() == io::ErrorKind::AlreadyExists => {
                    let linked = tempfile::Builder::new().make_in(folder_of(&path), |path| link(&file, path))?;
                    linked.persist(&path).map(drop)?;
                }
                other => other?,
            },
        }
        sync_folder_of(&path)
    }
}

/// The folder of `path`.
pub fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

/// Syncs the folder of `path` to the disk: without that, a power failure can undo that the file was created or renamed
/// (fsync(2)). Succeeds if the folder cannot be synced because it is not readable or the file system does not offer it.
///
/// # Errors
/// If the disk reports an error.
pub fn sync_folder_of(path: &Path) -> io::Result<()> {
    const NOT_OFFERED: [io::ErrorKind; 3] =
        [io::ErrorKind::PermissionDenied, io::ErrorKind::InvalidInput, io::ErrorKind::Unsupported];
    match File::open(folder_of(path)).and_then(|folder| folder.sync_all()) {
        Err(error) if NOT_OFFERED.contains(&error.kind()) => Ok(()),
        other => other,
    }
}

/// A file without a name in `folder`; `None` if the file system has none, or they cannot get a name.
fn unnamed(folder: &Path) -> io::Result<Option<File>> {
    let flags = i32::try_from(OFlags::TMPFILE.bits()).map_err(io::Error::other)?;
    let file = match OpenOptions::new().write(true).custom_flags(flags).mode(MODE).open(folder) {
        Ok(file) => file,
        // EOPNOTSUPP of the file system, EISDIR of an old kernel.
        Err(error) if [io::ErrorKind::Unsupported, io::ErrorKind::IsADirectory].contains(&error.kind()) => {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    Ok(fs::metadata(path_of(&file)).is_ok().then_some(file))
}

fn named(folder: &Path) -> io::Result<Inner> {
    Ok(Inner::Named(NamedTempFile::new_in(folder)?))
}

fn link(file: &File, path: &Path) -> io::Result<()> {
    Ok(linkat(CWD, path_of(file), CWD, path, AtFlags::SYMLINK_FOLLOW)?)
}

/// The path of an open file (proc(5)), which linkat(2) accepts.
fn path_of(file: &File) -> PathBuf {
    format!("/proc/self/fd/{}", file.as_raw_fd()).into()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    type Create = fn(&Path) -> AtomicFile;

    /// `dump.sql` in a folder, without and with a temporary name.
    const BOTH: [Create; 2] = [
        |folder| {
            let file = AtomicFile::create(&folder.join("dump.sql")).unwrap();
            assert!(matches!(file.inner, Inner::Unnamed(_)), "the file system of this test has files without a name");
            file
        },
        |folder| AtomicFile { path: folder.join("dump.sql"), inner: named(folder).unwrap() },
    ];

    fn names(folder: &Path) -> Vec<String> {
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn it_appears_complete_and_only_for_its_owner() {
        for create in BOTH {
            let folder = tempfile::tempdir().unwrap();
            let file = create(folder.path());
            file.as_file().write_all(b"whole").unwrap();
            file.publish(MODE, false).unwrap();
            assert_eq!(names(folder.path()), ["dump.sql"]);
            let path = folder.path().join("dump.sql");
            assert_eq!(fs::read(&path).unwrap(), b"whole");
            assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, MODE);
        }
    }

    #[test]
    fn only_force_replaces_what_has_the_name_and_a_link_is_not_followed() {
        for create in BOTH {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("dump.sql");
            fs::write(folder.path().join("victim"), "somebody's").unwrap();
            symlink("victim", &path).unwrap();
            let refused = create(folder.path()).publish(MODE, false).unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
            assert!(path.is_symlink());
            let file = create(folder.path());
            file.as_file().write_all(b"new").unwrap();
            file.publish(MODE, true).unwrap();
            assert_eq!((fs::read(&path).unwrap(), path.is_symlink()), (b"new".to_vec(), false));
            assert_eq!(fs::read(folder.path().join("victim")).unwrap(), b"somebody's");
            assert_eq!(names(folder.path()).len(), 2);
        }
    }

    #[test]
    fn an_unpublished_file_leaves_nothing() {
        for create in BOTH {
            let folder = tempfile::tempdir().unwrap();
            let file = create(folder.path());
            file.as_file().write_all(b"half").unwrap();
            drop(file);
            assert!(names(folder.path()).is_empty());
        }
    }
}
