//! Checks the test kit's ZIPs with the `zip` crate.

use std::io::Read;

use testkit::servers::{Entry, Method, Zip, zips};

#[test]
fn zips_contain_the_given_entries_and_times() {
    let dump = zips::sql_dump(100_000);
    let local = chrono::NaiveDate::from_ymd_opt(2026, 1, 31).unwrap().and_hms_opt(23, 59, 58).unwrap();
    let zip = Zip::new()
        .with(Entry::new("dumpfile.sql", dump.clone()).dos_time(local).extended_time(local.and_utc()))
        .with(Entry::new("other/notes.txt", "x").method(Method::Stored).dos_time(local))
        .with(Entry::new("windows.sql", dump.clone()).method(Method::Bzip2).ntfs_time(local.and_utc()))
        .with(Entry::folder("empty"))
        .comment("made at night");
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(zip.bytes())).unwrap();
    let mut entries = Vec::new();
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).unwrap();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        let extended = entry.extra_data_fields().find_map(|field| match field {
            zip::extra_fields::ExtraField::ExtendedTimestamp(time) => time.mod_time(),
            _ => None,
        });
        let dos = entry.last_modified().map(|time| time.to_string());
        entries.push((entry.name().unwrap().into_owned(), content.len(), dos.unwrap_or_default(), extended));
    }
    let seconds = u32::try_from(local.and_utc().timestamp()).unwrap();
    let at = |time: &str| time.to_owned();
    assert_eq!(
        entries,
        [
            (at("dumpfile.sql"), 100_000, at("2026-01-31 23:59:58"), Some(seconds)),
            (at("other/notes.txt"), 1, at("2026-01-31 23:59:58"), None),
            (at("windows.sql"), 100_000, at("1980-01-01 00:00:00"), None),
            (at("empty/"), 0, at("1980-01-01 00:00:00"), None),
        ]
    );
    assert_eq!(dump, zips::sql_dump(100_000));
}
