//! Realistic modification times of archives.

use std::fs::{self, File};
use std::path::Path;
use std::time::SystemTime;

use chrono::{NaiveDate, Utc};

/// Sets the modification time of each file in `folder` with a past date in its name to 23:00 UTC on that date.
pub fn set_from_names(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let date = entry.file_name().to_str().and_then(parse_date);
        if let Some(date) = date.filter(|date| *date < Utc::now().date_naive() && entry.file_type().unwrap().is_file())
        {
            let evening = SystemTime::from(date.and_hms_opt(23, 0, 0).unwrap().and_utc());
            File::options().append(true).open(entry.path()).unwrap().set_modified(evening).unwrap();
        }
    }
}

/// The date in a name of the default pattern: `20262311.tgz` means 23 November.
fn parse_date(name: &str) -> Option<NaiveDate> {
    let (stem, _) = name.split_once(".tgz")?;
    NaiveDate::parse_from_str(stem.get(stem.len().checked_sub(8)?..)?, "%Y%d%m").ok()
}
