//! Writes files atomically: a file appears complete or not at all, even if the program is killed or the power fails.
//!
//! Until then it has no name (O_TMPFILE, open(2)), so that even SIGKILL leaves nothing behind. On a file system without
//! O_TMPFILE it has a hidden temporary name, which SIGKILL or a power failure can leave behind.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, OFlags, linkat};
use tempfile::NamedTempFile;

const MODE: u32 = 0o600;

/// A file being written. Only its owner can read it.
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

/// Writes `bytes` to the file `path`; for `mode` and `force` see [`AtomicFile::publish`].
pub fn write(path: &Path, bytes: &[u8], mode: u32, force: bool) -> io::Result<()> {
    let file = AtomicFile::create(path)?;
    file.as_file().write_all(bytes)?;
    file.publish(mode, force)
}

impl AtomicFile {
    /// An empty file, to be published as `path`.
    pub fn create(path: &Path) -> io::Result<AtomicFile> {
        let inner = match unnamed(folder_of(path))? {
            Some(file) => Inner::Unnamed(file),
            None => named(folder_of(path))?,
        };
        Ok(AtomicFile { path: path.to_owned(), inner })
    }

    /// The same file, to be published as `name` in the same folder.
    pub fn with_name(self, name: &str) -> AtomicFile {
        AtomicFile { path: folder_of(&self.path).join(name), ..self }
    }

    /// The final path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn as_file(&self) -> &File {
        match &self.inner {
            Inner::Unnamed(file) => file,
            Inner::Named(file) => file.as_file(),
        }
    }

    /// Sets its `mode` regardless of the umask, syncs it to the disk, gives it its name, and syncs the folder. `force`
    /// atomically replaces an existing file; a symbolic link is replaced, not followed.
    ///
    /// # Errors
    /// [`AlreadyExists`](io::ErrorKind::AlreadyExists) without `force`, or an error of the system. Leaves nothing behind.
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

pub fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

/// Syncs the folder of `path` to the disk: otherwise a power failure can undo the creation or renaming of the file
/// (fsync(2)). Succeeds if the folder is not readable or the file system cannot sync folders.
///
/// # Errors
/// If the disk reports an error.
pub fn sync_folder_of(path: &Path) -> io::Result<()> {
    const UNSUPPORTED: [io::ErrorKind; 3] =
        [io::ErrorKind::PermissionDenied, io::ErrorKind::InvalidInput, io::ErrorKind::Unsupported];
    match File::open(folder_of(path)).and_then(|folder| folder.sync_all()) {
        Err(error) if UNSUPPORTED.contains(&error.kind()) => Ok(()),
        other => other,
    }
}

/// A file without a name in `folder`; `None` if the file system cannot create one or give it a name.
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

/// A path for linkat(2) (proc(5)).
fn path_of(file: &File) -> PathBuf {
    format!("/proc/self/fd/{}", file.as_raw_fd()).into()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    type Create = fn(&Path) -> AtomicFile;

    /// Create `dump.sql` in a folder, without and with a temporary name.
    const VARIANTS: [Create; 2] = [
        |folder| {
            let file = AtomicFile::create(&folder.join("dump.sql")).unwrap();
            assert!(matches!(file.inner, Inner::Unnamed(_)), "this test needs a file system with O_TMPFILE");
            file
        },
        |folder| AtomicFile { path: folder.join("dump.sql"), inner: named(folder).unwrap() },
    ];

    fn names(folder: &Path) -> Vec<String> {
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_published_file_is_complete_and_readable_only_by_its_owner() {
        for create in VARIANTS {
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
    fn only_force_replaces_an_existing_file_and_a_link_is_not_followed() {
        for create in VARIANTS {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("dump.sql");
            fs::write(folder.path().join("victim"), "somebody's").unwrap();
            symlink("victim", &path).unwrap();
            let error = create(folder.path()).publish(MODE, false).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
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
    fn an_unpublished_file_leaves_nothing_behind() {
        for create in VARIANTS {
            let folder = tempfile::tempdir().unwrap();
            let file = create(folder.path());
            file.as_file().write_all(b"half").unwrap();
            drop(file);
            assert!(names(folder.path()).is_empty());
        }
    }
}
