//! The section `archive`: how an archive is named and made.

use std::path::PathBuf;

use serde_json::json;

use crate::config::json::Value;
use crate::config::kind::{Kind, whole, word};
use crate::config::mistakes::Refusal;
use crate::config::paths::folder;
use crate::config::section::{Section, keys};
use crate::rules::archive_name::ArchiveName;

/// Kept over a reboot, and meant for large files.
const WORK_DIRECTORY: &str = "/var/tmp";

#[derive(Debug, Clone)]
pub struct Archive {
    pub name: ArchiveName,
    pub compression: Compression,
    pub work_directory: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// With the ZIP's own deflate data, where it is deflate.
    Reuse,
    /// Anew, as one gzip member at this level, 1 to 9.
    Level(u32),
}

pub(in crate::config) fn read(keys: &mut Section<'_, '_>) -> Option<Archive> {
    keys! { keys:
        /// The archive's name without .tgz, as a date pattern of strftime with year, month and day.
        name = or(archive_name(), "%Y%d%m");
        /// How the archive is compressed: "reuse" takes the ZIP's own data; a level from 1 to 9 compresses anew.
        compression = or(compression(), "reuse");
        /// The folder for temporary files on this machine. It needs space for the archive, and also for the ZIP where the
        /// web server does not support range requests.
        work_directory = or(folder(), WORK_DIRECTORY);
    }
    // Where it is a mistake, no command uses it.
    let work_directory = work_directory.unwrap_or_else(|| PathBuf::from(WORK_DIRECTORY));
    Some(Archive { name: name?, compression: compression?, work_directory })
}

/// A strftime pattern of date parts. The schema checks that the year is one of them; the reader tries whether every date can be read back from its
/// name.
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
