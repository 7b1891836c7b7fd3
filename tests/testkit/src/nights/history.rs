//! The content of the folder before a run: archives, leftovers of earlier versions, other jobs and other machines, and
//! foreign files.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::{fs, io};

use chrono::{Days, NaiveDate};

use crate::night::archive_name;

/// Creates a history before the run of `tonight`, with leftovers of the job `id` and of others.
pub fn plant(folder: &Path, tonight: NaiveDate, id: &str) -> io::Result<()> {
    let of = |age: u64| archive_name(tonight - Days::new(age));
    for age in [1, 2, 3, 4, 5, 10, 11, 12, 40] {
        fs::write(folder.join(of(age)), format!("an archive of {age} days ago"))?;
    }
    let leftovers = [
        (format!(".{}.{id}.part", of(4)), "cut off"),
        (format!(".{}.0ff1ce00.part", of(4)), "cut off, on another machine"),
        (format!(".{}.part", of(5)), "cut off, by the former version"),
        (format!(".{}.0ff1ce00.part", of(0)), "under way on another machine"),
        (format!(".{}.part", of(0)), "under way, by the former version"),
        (format!(".{}.old", of(6)), "set aside by the former version, without an archive in its place"),
        (format!(".{}.old", of(2)), "set aside by the former version"),
        (format!(".{}.old", of(5)), "set aside by the former version long ago"),
        (format!("{}.old", of(1)), "the first one of yesterday"),
        (format!("{}.last.old", of(1)), "the latest one of yesterday"),
        (format!("{}.old", of(3)), "the first one of three days ago"),
        (format!("{}.last.old", of(3)), "the latest one of three days ago"),
        (format!("{}.old", of(8)), "the first one of a date without archive"),
        (format!("{}.last.old", of(8)), "the latest one of a date without archive"),
    ];
    for (name, content) in leftovers {
        fs::write(folder.join(name), content)?;
    }
    plant_foreign(folder, tonight)
}

/// Creates what a run must never touch.
pub fn plant_foreign(folder: &Path, tonight: NaiveDate) -> io::Result<()> {
    let long_ago = |days: u64| archive_name(tonight - Days::new(1000 + days));
    fs::create_dir(folder.join(long_ago(1)))?;
    symlink("notes.txt", folder.join(long_ago(2)))?;
    fs::write(folder.join(long_ago(3)), "")?;
    for name in ["notes.txt", "20263002.tgz", ".notes.txt.part", "20203112.tgz.bak", "20993112.tgz"] {
        fs::write(folder.join(name), "not ours")?;
    }
    for name in [".20201511.tgz.0FF1CE00.part", "20201511.tgz.0ff1ce00.part", ".20201511.tgz.last.old"] {
        fs::write(folder.join(name), "not ours either")?;
    }
    Ok(())
}
