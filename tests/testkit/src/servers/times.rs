//! Modification times as in a real folder: an archive was written on the date in its name.

use std::fs::{self, File};
use std::path::Path;
use std::time::SystemTime;

use chrono::{NaiveDate, Utc};

/// Sets the modification time of each file in `folder` that has a past date in its name to the evening of that date
/// (UTC), as if a run on that date had written it.
pub fn set_as_named(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let date = entry.file_name().to_str().and_then(date_of);
        if let Some(date) = date.filter(|date| *date < Utc::now().date_naive() && entry.file_type().unwrap().is_file())
        {
            let evening = SystemTime::from(date.and_hms_opt(23, 0, 0).unwrap().and_utc());
            File::options().append(true).open(entry.path()).unwrap().set_modified(evening).unwrap();
        }
    }
}

/// The date in a name of the default pattern: `20262311.tgz` is of 23 November.
fn date_of(name: &str) -> Option<NaiveDate> {
    let (stem, _) = name.split_once(".tgz")?;
    NaiveDate::parse_from_str(stem.get(stem.len().checked_sub(8)?..)?, "%Y%d%m").ok()
}
