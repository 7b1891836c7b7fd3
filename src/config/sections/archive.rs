//! The section `archive`: how an archive is named and made.

use std::path::PathBuf;

use serde_json::json;

use crate::config::json::Value;
use crate::config::kind::{Kind, whole, word};
use crate::config::mistakes::Refusal;
use crate::config::paths::folder;
use crate::config::section::{Section, keys};
use crate::rules::archive_name::ArchiveName;

/// It survives a reboot, and is meant for large files.
const WORK_DIRECTORY: &str = "/var/tmp";

#[derive(Debug, Clone)]
pub struct Archive {
    pub name: ArchiveName,
    pub compression: Compression,
    pub work_directory: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Copies the ZIP's data if it is deflate.
    Reuse,
    /// Compresses again, as one gzip member at this level, 1 to 9.
    Level(u32),
}

pub(in crate::config) fn read(keys: &mut Section<'_, '_>) -> Option<Archive> {
    keys! { keys:
        /// The archive's name without .tgz, as a strftime pattern with year, month and day.
        name = with_default(archive_name(), "%Y%d%m");
        /// How the archive is compressed: "reuse" copies the ZIP's compressed data; a level from 1 to 9 compresses it again.
        compression = with_default(compression(), "reuse");
        /// The folder for temporary files on this machine. It needs space for the archive, and also for the ZIP if the web
        /// server does not support range requests.
        work_directory = with_default(folder(), WORK_DIRECTORY);
    }
    // If it is invalid, no command uses it.
    let work_directory = work_directory.unwrap_or_else(|| PathBuf::from(WORK_DIRECTORY));
    Some(Archive { name: name?, compression: compression?, work_directory })
}

/// A strftime pattern. The schema checks that it has a year; the reader checks that every date can be read back from its name.
fn archive_name() -> Kind<ArchiveName> {
    let part = "%[-_0]?[YCyqmbBhdeaAwuUWGgVjFv%]";
    let pattern = format!(r"^(?!\.)(?!.*\.\.)(?=.*%[-_0]?[YyGgFv])(?:[^%/\p{{Cc}}]|{part})+$");
    Kind::text("date pattern", pattern, |text| {
        ArchiveName::new(text).map_err(|error| {
            let fix = "write a pattern with year, month and day, such as \"%Y%d%m\" or \"dump-%Y-%m-%d\"";
            Refusal::new(error.to_string(), fix)
        })
    })
}

fn compression() -> Kind<Compression> {
    let (reuse, level) = (word(&[("reuse", Compression::Reuse)]), whole(1..=9));
    let schema = json!({"oneOf": [reuse.form.schema, level.form.schema]});
    Kind::new(schema, move |value, context| match value {
        Value::Text(_) => (reuse.read)(value, context),
        _ => (level.read)(value, context).map(Compression::Level),
    })
}
