//! The content of the folder before a run: archives, leftovers and foreign files.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::{fs, io};

use chrono::{Days, NaiveDate};

use crate::setup::archive_name;

/// Creates archives and leftovers before a run on `date`: of the job `id`, other machines and the previous version.
pub fn plant(folder: &Path, date: NaiveDate, id: &str) -> io::Result<()> {
    let name = |age: u64| archive_name(date - Days::new(age));
    for age in [1, 2, 3, 4, 5, 10, 11, 12, 40] {
        fs::write(folder.join(name(age)), format!("an archive of {age} days ago"))?;
    }
    let leftovers = [
        (format!(".{}.{id}.part", name(4)), "cut off"),
        (format!(".{}.0ff1ce00.part", name(4)), "cut off, on another machine"),
        (format!(".{}.part", name(5)), "cut off, by the previous version"),
        (format!(".{}.0ff1ce00.part", name(0)), "in progress on another machine"),
        (format!(".{}.part", name(0)), "in progress, by the previous version"),
        (format!(".{}.old", name(6)), "set aside by the previous version, without an archive in its place"),
        (format!(".{}.old", name(2)), "set aside by the previous version"),
        (format!(".{}.old", name(5)), "set aside by the previous version long ago"),
        (format!("{}.old", name(1)), "the first one of yesterday"),
        (format!("{}.last.old", name(1)), "the latest one of yesterday"),
        (format!("{}.old", name(3)), "the first one of three days ago"),
        (format!("{}.last.old", name(3)), "the latest one of three days ago"),
        (format!("{}.old", name(8)), "the first one of a date without archive"),
        (format!("{}.last.old", name(8)), "the latest one of a date without archive"),
    ];
    for (name, content) in leftovers {
        fs::write(folder.join(name), content)?;
    }
    plant_foreign(folder, date)
}

/// Creates entries that a run must never touch.
pub fn plant_foreign(folder: &Path, date: NaiveDate) -> io::Result<()> {
    let long_ago = |days: u64| archive_name(date - Days::new(1000 + days));
    fs::create_dir(folder.join(long_ago(1)))?;
    symlink("notes.txt", folder.join(long_ago(2)))?;
    fs::write(folder.join(long_ago(3)), "")?;
    for name in ["notes.txt", "20263002.tgz", ".notes.txt.part", "20203112.tgz.bak", "20993112.tgz"] {
        fs::write(folder.join(name), "foreign")?;
    }
    for name in [".20201511.tgz.0FF1CE00.part", "20201511.tgz.0ff1ce00.part", ".20201511.tgz.last.old"] {
        fs::write(folder.join(name), "foreign, too")?;
    }
    Ok(())
}
