//! The file with the metrics, which node_exporter's textfile collector reads at any moment: it is never half there.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// node_exporter runs as a user of its own.
const MODE: u32 = 0o644;

/// So much of the file is read, in bytes; ours has some thousand.
const MAX_READ: u64 = 1024 * 1024;

/// The metrics could not be written.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot write {}; its folder must be there, and this job's user must be able to write in it",
    path.display()
)]
pub struct TextfileError {
    path: PathBuf,
    source: io::Error,
}

/// What the file holds, where it is one and can be read.
pub fn read(path: &Path) -> Option<String> {
    // Opening something else, such as a pipe, could wait for ever.
    if !fs::metadata(path).ok()?.is_file() {
        return None;
    }
    let mut text = String::new();
    File::open(path).ok()?.take(MAX_READ).read_to_string(&mut text).ok()?;
    Some(text)
}

/// Puts `text` in the place of the file, at once: whoever reads it finds the old or the new.
///
/// # Errors
/// If the folder is missing or cannot be written, or has no room. The file is as it was then.
pub fn write(path: &Path, text: &str) -> Result<(), TextfileError> {
    let error = |source| TextfileError { path: path.to_owned(), source };
    let temporary = beside(path);
    // What a run that was killed has left.
    match fs::remove_file(&temporary) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => return Err(error(source)),
        _ => {}
    }
    let written = write_new(&temporary, text).and_then(|()| fs::rename(&temporary, path));
    written.map_err(|source| {
        // The first fault is the one to tell.
        let _ = fs::remove_file(&temporary);
        error(source)
    })
}

/// The temporary name: node_exporter reads what ends with `.prom`, and nothing else.
fn beside(path: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".part");
    path.with_file_name(name)
}

fn write_new(path: &Path, text: &str) -> io::Result<()> {
    // A new file, so that no link that lies there is followed.
    let mut file = OpenOptions::new().write(true).create_new(true).mode(MODE).open(path)?;
    // The umask may have taken from the mode.
    file.set_permissions(Permissions::from_mode(MODE))?;
    file.write_all(text.as_bytes())?;
    // After a power failure the old file must be there, or all of the new one.
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn the_file_takes_the_old_one_s_place_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("job.prom");
        assert_eq!(read(&path), None);
        write(&path, "old").unwrap();
        fs::write(beside(&path), "of a run that was killed").unwrap();
        write(&path, "new").unwrap();
        assert_eq!(read(&path).as_deref(), Some("new"));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, MODE);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_reader_finds_the_old_or_the_new_and_never_a_half() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("job.prom");
        let texts = ["a".repeat(100_000), "b".repeat(50_000)];
        write(&path, &texts[0]).unwrap();
        let writer = thread::spawn({
            let (path, texts) = (path.clone(), texts.clone());
            move || (0..200).for_each(|round| write(&path, &texts[round % 2]).unwrap())
        });
        while !writer.is_finished() {
            let text = read(&path).unwrap();
            assert!(texts.contains(&text), "{} bytes", text.len());
        }
        writer.join().unwrap();
    }

    #[test]
    fn a_link_beside_it_leads_nowhere() {
        let folder = tempfile::tempdir().unwrap();
        let (path, other) = (folder.path().join("job.prom"), folder.path().join("other"));
        fs::write(&other, "mine").unwrap();
        std::os::unix::fs::symlink(&other, beside(&path)).unwrap();
        write(&path, "new").unwrap();
        assert_eq!((read(&path).as_deref(), read(&other).as_deref()), (Some("new"), Some("mine")));
    }

    #[test]
    fn what_cannot_be_read_is_no_hindrance() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("job.prom");
        fs::write(&path, [0xff, 0xfe]).unwrap();
        assert_eq!(read(&path), None);
        fs::remove_file(&path).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        assert_eq!(read(&path), None, "a pipe");
        write(&path, "new").unwrap();
        assert_eq!(read(&path).as_deref(), Some("new"));
    }

    #[test]
    fn a_folder_that_is_missing_is_told_with_what_to_do() {
        let told = write(Path::new("/missing/job.prom"), "new").unwrap_err().to_string();
        insta::assert_snapshot!(told, @"cannot write /missing/job.prom; its folder must be there, and this job's user must be able to write in it");
    }
}
