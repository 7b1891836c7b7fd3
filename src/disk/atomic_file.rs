//! A file that appears under its name whole or not at all, however the program ends, and also if the power fails.
//!
//! Until it is whole it has no name (O_TMPFILE, open(2)), so that nothing is left of it even by SIGKILL. Where a file
//! system has no files without a name, it has a hidden temporary one, which only SIGKILL or a power failure leaves.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, OFlags, linkat};
use tempfile::NamedTempFile;

/// For its owner alone.
const MODE: u32 = 0o600;

/// A file that is being written, readable by its owner only.
#[derive(Debug)]
pub struct WholeFile {
    path: PathBuf,
    inner: Inner,
}

#[derive(Debug)]
enum Inner {
    Unnamed(File),
    Named(NamedTempFile),
}

/// Writes `bytes` into the file `path` with `mode`, in one step, as [`WholeFile::publish`] does.
///
/// # Errors
/// As [`WholeFile::publish`].
pub fn write(path: &Path, bytes: &[u8], mode: u32, force: bool) -> io::Result<()> {
    let file = WholeFile::create(path)?;
    file.as_file().write_all(bytes)?;
    file.publish(mode, force)
}

impl WholeFile {
    /// An empty file that will be called `path`.
    ///
    /// # Errors
    /// If no file can be created in its folder.
    pub fn create(path: &Path) -> io::Result<WholeFile> {
        let inner = match unnamed(folder_of(path))? {
            Some(file) => Inner::Unnamed(file),
            None => named(folder_of(path))?,
        };
        Ok(WholeFile { path: path.to_owned(), inner })
    }

    /// The same file, which will be called `name` in the same folder.
    pub fn with_name(self, name: &str) -> WholeFile {
        WholeFile { path: folder_of(&self.path).join(name), ..self }
    }

    /// The path that it will have.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file, to be written.
    pub fn as_file(&self) -> &File {
        match &self.inner {
            Inner::Unnamed(file) => file,
            Inner::Named(file) => file.as_file(),
        }
    }

    /// Sets its `mode` whatever the umask, syncs it to the disk, gives it its name, and syncs that as well. If `force`,
    /// it replaces what has the name, in one step; a symbolic link is replaced, too, and never followed.
    ///
    /// # Errors
    /// [`AlreadyExists`](io::ErrorKind::AlreadyExists) without `force`; others if the system refuses. Then nothing is
    /// left of the file.
    pub fn publish(self, mode: u32, force: bool) -> io::Result<()> {
        self.as_file().set_permissions(Permissions::from_mode(mode))?;
        self.as_file().sync_all()?;
        let WholeFile { path, inner } = self;
        match inner {
            Inner::Named(file) if force => file.persist(&path).map(drop)?,
            Inner::Named(file) => file.persist_noclobber(&path).map(drop)?,
            Inner::Unnamed(file) => match link(&file, &path) {
                // A link replaces nothing; a renamed one does.
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

/// The folder in which `path` is a name.
pub fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

/// Syncs the folder of `path` to the disk: without that, a power failure can undo that the file was created or renamed
/// (fsync(2)). A folder that cannot be synced, because it may not be read or the file system does not offer it, is as
/// safe as it can be.
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

/// A file without a name in `folder`; `None` where there are none, or they cannot get a name.
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

/// Where the system shows an open file (proc(5)); linkat(2) gives a name to what lies there.
fn path_of(file: &File) -> PathBuf {
    format!("/proc/self/fd/{}", file.as_raw_fd()).into()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    type Make = fn(&Path) -> WholeFile;

    /// `dump.sql` in a folder, with and without a temporary name.
    const BOTH: [Make; 2] = [
        |folder| {
            let file = WholeFile::create(&folder.join("dump.sql")).unwrap();
            assert!(matches!(file.inner, Inner::Unnamed(_)), "the test's own file system has files without a name");
            file
        },
        |folder| WholeFile { path: folder.join("dump.sql"), inner: named(folder).unwrap() },
    ];

    fn names(folder: &Path) -> Vec<String> {
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn it_appears_whole_and_for_its_owner_alone() {
        for make in BOTH {
            let folder = tempfile::tempdir().unwrap();
            let file = make(folder.path());
            file.as_file().write_all(b"whole").unwrap();
            file.publish(MODE, false).unwrap();
            assert_eq!(names(folder.path()), ["dump.sql"]);
            let path = folder.path().join("dump.sql");
            assert_eq!(fs::read(&path).unwrap(), b"whole");
            assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, MODE);
        }
    }

    #[test]
    fn what_has_the_name_is_replaced_by_force_alone_and_a_link_is_not_followed() {
        for make in BOTH {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("dump.sql");
            fs::write(folder.path().join("victim"), "somebody's").unwrap();
            symlink("victim", &path).unwrap();
            let refused = make(folder.path()).publish(MODE, false).unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
            assert!(path.is_symlink());
            let file = make(folder.path());
            file.as_file().write_all(b"new").unwrap();
            file.publish(MODE, true).unwrap();
            assert_eq!((fs::read(&path).unwrap(), path.is_symlink()), (b"new".to_vec(), false));
            assert_eq!(fs::read(folder.path().join("victim")).unwrap(), b"somebody's");
            assert_eq!(names(folder.path()).len(), 2);
        }
    }

    #[test]
    fn nothing_is_left_of_what_was_not_published() {
        for make in BOTH {
            let folder = tempfile::tempdir().unwrap();
            let file = make(folder.path());
            file.as_file().write_all(b"half").unwrap();
            drop(file);
            assert!(names(folder.path()).is_empty());
        }
    }
}
