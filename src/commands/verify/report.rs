//! The output of `verify`: a line for each archive, and a total.

use std::time::Duration;

use crate::archive::PackedDump;
use crate::commands::recovery::{modification_time, rate_suffix};
use crate::rules::job_zone::JobZone;
use crate::rules::recovery::StoredArchive;
use crate::rules::redaction::{printable, shell_word};
use crate::rules::units::{count, size};

pub(super) enum Condition {
    Good(PackedDump),
    /// Encrypted, and compared only with its checksum file.
    Unchanged,
    /// Intact, but the dump in it has another name.
    OtherName {
        dump: PackedDump,
        /// The expected names, in quotes.
        expected: String,
    },
    /// Damaged or not an archive, with the reason.
    Bad(String),
    /// Not read completely, with the reason.
    Unread(String),
}

/// `took` is the time for reading the archive; `zone` is for the times in the line.
pub(super) fn line(archive: &StoredArchive, condition: &Condition, took: Duration, zone: &JobZone) -> String {
    let StoredArchive { name, date, file } = archive;
    let stored_size = file.size.map_or_else(|| "? B".to_owned(), size);
    let condition = match condition {
        Condition::Good(dump) => {
            let rate = rate_suffix(file.size, took);
            format!("good: a dump of {}, {}{rate}", size(dump.size), modification_time(dump, zone))
        }
        Condition::Unchanged => {
            let rate = rate_suffix(file.size, took);
            format!("unchanged: has the SHA-256 of its checksum file{rate}; to check the dump, give --identity FILE")
        }
        Condition::OtherName { dump, expected } => printable(&format!(
            "intact, but it contains {:?} instead of {expected}: a dump of {}, {}; read it with --dump {}",
            dump.name,
            size(dump.size),
            modification_time(dump, zone),
            shell_word(&dump.name)
        )),
        Condition::Bad(why) => format!("BAD: {why}"),
        Condition::Unread(why) => format!("NOT READ: {why}"),
    };
    format!("{name}  {date}  {stored_size:>10}  {condition}")
}

/// "5 archives: 4 good, 1 BAD".
pub(super) fn total(conditions: &[Condition]) -> String {
    let label = |condition: &Condition| match condition {
        Condition::Good(_) => "good",
        Condition::Unchanged => "unchanged",
        Condition::OtherName { .. } => "with another name",
        Condition::Bad(_) => "BAD",
        Condition::Unread(_) => "NOT READ",
    };
    let counts: Vec<String> = ["good", "unchanged", "with another name", "BAD", "NOT READ"]
        .into_iter()
        .map(|it| (conditions.iter().filter(|condition| label(condition) == it).count(), it))
        .filter(|(number, _)| *number > 0)
        .map(|(number, label)| format!("{number} {label}"))
        .collect();
    format!("{}: {}", count(conditions.len(), "archive"), counts.join(", "))
}

#[cfg(test)]
mod tests {
    use chrono::{FixedOffset, NaiveDate};

    use super::*;
    use crate::rules::listing::{Entry, Kind};

    #[test]
    fn each_archive_has_a_line_and_the_total_counts_conditions() {
        let zone = JobZone::Fixed(FixedOffset::east_opt(3600).unwrap());
        let dump = |name: &str, size, time: Option<&str>| PackedDump {
            name: name.to_owned(),
            size,
            modified: time.map(|time| time.parse().unwrap()),
        };
        let time = Some("2026-11-23T21:54:11Z");
        let conditions = [
            Condition::Good(dump("dump.sql", 12_582_912, time)),
            Condition::Good(dump("dump.sql", 3, None)),
            Condition::Bad("it is truncated after 17 bytes".to_owned()),
            Condition::Unread("the server refused to open it".to_owned()),
            Condition::OtherName { dump: dump("old\n.sql", 12_582_912, time), expected: "\"new.sql\"".to_owned() },
            Condition::Unchanged,
        ];
        let sizes =
            [(Some(3_400_000), 100), (Some(90), 1), (Some(17), 1), (None, 1), (Some(90), 1), (Some(3_400_000), 100)];
        let mut lines: Vec<String> = Vec::new();
        for (condition, (size, milliseconds)) in conditions.iter().zip(sizes) {
            let ending = if matches!(condition, Condition::Unchanged) { ".age" } else { "" };
            let name = format!("20262311.tgz{ending}");
            let file = Entry { name: name.clone(), kind: Kind::File, size, modified: None };
            let archive = &StoredArchive { date: NaiveDate::from_ymd_opt(2026, 11, 23).unwrap(), name, file };
            lines.push(line(archive, condition, Duration::from_millis(milliseconds), &zone));
        }
        lines.extend([total(&conditions), total(&conditions[..1])]);
        insta::assert_snapshot!(lines.join("\n"), @r#"
        20262311.tgz  2026-11-23    3.24 MiB  good: a dump of 12.00 MiB, modified 23 Nov 2026 22:54:11 +01:00, 32.42 MiB/s
        20262311.tgz  2026-11-23        90 B  good: a dump of 3 B, modification time unknown
        20262311.tgz  2026-11-23        17 B  BAD: it is truncated after 17 bytes
        20262311.tgz  2026-11-23         ? B  NOT READ: the server refused to open it
        20262311.tgz  2026-11-23        90 B  intact, but it contains "old\n.sql" instead of "new.sql": a dump of 12.00 MiB, modified 23 Nov 2026 22:54:11 +01:00; read it with --dump 'old\n.sql'
        20262311.tgz.age  2026-11-23    3.24 MiB  unchanged: has the SHA-256 of its checksum file, 32.42 MiB/s; to check the dump, give --identity FILE
        6 archives: 2 good, 1 unchanged, 1 with another name, 1 BAD, 1 NOT READ
        1 archive: 1 good
        "#);
    }
}
