//! Which archive is restored.

use chrono::NaiveDate;
use scripting_system::rules::listing::{Entry, Kind};
use scripting_system::rules::recovery::*;

use super::NAMING;

fn day(day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 11, day).unwrap()
}

fn stored_of(names: &[(&str, u64)]) -> Vec<StoredArchive> {
    let entry = |&(name, size): &(&str, u64)| Entry {
        name: name.to_owned(),
        kind: Kind::File,
        size: Some(size),
        modified: None,
    };
    stored(&names.iter().map(entry).collect::<Vec<_>>(), &NAMING, day(23))
}

fn chosen(stored: &[StoredArchive], date: Option<NaiveDate>) -> Result<&str, String> {
    choose(stored, date).map(|archive| archive.name.as_str()).map_err(|error| error.to_string())
}

#[test]
fn a_set_aside_archive_without_a_replacement_is_listed_under_its_final_name() {
    let stored = stored_of(&[(".20262211.tgz.old", 3), ("20262111.tgz", 4), (".20262111.tgz.old", 5)]);
    let names: Vec<(&str, &str)> = stored.iter().map(|it| (it.name.as_str(), it.file.name.as_str())).collect();
    assert_eq!(names, [("20262111.tgz", "20262111.tgz"), ("20262211.tgz", ".20262211.tgz.old")]);
}

#[test]
fn uploads_foreign_files_and_future_archives_cannot_be_chosen() {
    let stored = stored_of(&[(".20262211.tgz.part", 3), ("20262411.tgz", 3), ("notes.txt", 3)]);
    assert_eq!(stored, []);
    for date in [None, Some(day(24))] {
        assert!(chosen(&stored, date).unwrap_err().starts_with("sftp.directory holds no archive"));
    }
}

#[test]
fn a_missing_date_is_reported_with_the_nearest_ones_and_the_default_is_the_newest_nonempty_archive() {
    let folder =
        &[("20262011.tgz", 1), ("20261511.tgz", 1), ("20261611.tgz", 0), ("20260111.tgz", 1), ("20262111.tgz", 0)][..];
    for (folder, date, expected) in [
        (folder, None, Ok("20262011.tgz")),
        (folder, Some(15), Ok("20261511.tgz")),
        (
            folder,
            Some(17),
            Err("there is no archive of 2026-11-17; the nearest are those of 2026-11-15 and 2026-11-20"),
        ),
        (folder, Some(22), Err("there is no archive of 2026-11-22; the nearest is that of 2026-11-20")),
        (folder, Some(16), Err("20261611.tgz is empty; the nearest are those of 2026-11-15 and 2026-11-20")),
        (&[("20262011.tgz", 0)], Some(20), Err("20262011.tgz is empty; there is no other")),
    ] {
        let date = date.map(day);
        assert_eq!(chosen(&stored_of(folder), date), expected.map_err(str::to_owned), "{date:?}");
    }
}
