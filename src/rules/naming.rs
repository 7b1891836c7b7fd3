//! How the names in the server's folder are made, and what a name says about a file.
//!
//! An upload is called `<temporary_prefix><archive>.<id>.part`, so that jobs and machines that share a folder never touch
//! each other's. A replaced archive is set aside as `<archive>.old` (the first one of its date) or `<archive>.last.old`
//! (the latest). Versions before 0.2 wrote `<temporary_prefix><archive>.part` and `<temporary_prefix><archive>.old`.

use chrono::NaiveDate;

use crate::rules::archive_name::ArchiveName;

const PART: &str = ".part";
const OLD: &str = ".old";
const LAST_OLD: &str = ".last.old";

/// How the names in the folder are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Naming {
    /// The pattern of the archives.
    pub archive: ArchiveName,
    /// What the names of uploads begin with.
    pub temporary_prefix: String,
    /// The job's id: 8 hexadecimal digits.
    pub id: String,
}

/// A file that this program wrote and that is not an archive under its final name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leftover<'a> {
    /// An upload of this job.
    OwnUpload,
    /// An upload of another job or machine, or of a version before 0.2.
    OtherUpload,
    /// A replaced archive.
    SetAside(SetAside<'a>),
}

/// A replaced archive that was set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SetAside<'a> {
    /// The archive's final name.
    pub archive: &'a str,
    /// The date in that name.
    pub date: NaiveDate,
    /// Which of the replaced archives of its date it is.
    pub which: Which,
}

/// Which of the replaced archives of one date, in the order in which they were replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Which {
    /// Set aside by a version before 0.2.
    Former,
    /// The first one.
    First,
    /// The latest one.
    Last,
}

/// The option with which `restore` restores the replaced archive that is set aside as `name`.
pub fn restore_option(name: &str) -> &'static str {
    if name.ends_with(LAST_OLD) { "--replaced=last" } else { "--replaced" }
}

impl Naming {
    /// The name of this job's upload of `archive`.
    pub fn part(&self, archive: &str) -> String {
        format!("{}{archive}.{}{PART}", self.temporary_prefix, self.id)
    }

    /// The name under which the `which` replaced archive called `archive` is set aside.
    pub fn old(&self, archive: &str, which: Which) -> String {
        match which {
            Which::Former => format!("{}{archive}{OLD}", self.temporary_prefix),
            Which::First => format!("{archive}{OLD}"),
            Which::Last => format!("{archive}{LAST_OLD}"),
        }
    }

    /// What leftover of this program `name` is; `None` where it is not one.
    pub fn leftover<'a>(&self, name: &'a str) -> Option<Leftover<'a>> {
        self.set_aside(name).map(Leftover::SetAside).or_else(|| self.upload(name))
    }

    /// What `name` says about a replaced archive; `None` where it is not the name of one.
    pub fn set_aside<'a>(&self, name: &'a str) -> Option<SetAside<'a>> {
        let dated =
            |archive: &'a str, which| self.archive.date_of(archive).map(|date| SetAside { archive, date, which });
        let last = || name.strip_suffix(LAST_OLD).and_then(|archive| dated(archive, Which::Last));
        let first = || name.strip_suffix(OLD).and_then(|archive| dated(archive, Which::First));
        let former = || {
            let archive = name.strip_suffix(OLD)?.strip_prefix(self.temporary_prefix.as_str())?;
            dated(archive, Which::Former)
        };
        last().or_else(first).or_else(former)
    }

    fn upload(&self, name: &str) -> Option<Leftover<'static>> {
        let rest = name.strip_suffix(PART)?.strip_prefix(self.temporary_prefix.as_str())?;
        if self.archive.date_of(rest).is_some() {
            return Some(Leftover::OtherUpload);
        }
        let (archive, id) = rest.rsplit_once('.')?;
        let is_id = id.len() == 8 && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if !is_id || self.archive.date_of(archive).is_none() {
            return None;
        }
        Some(if id == self.id { Leftover::OwnUpload } else { Leftover::OtherUpload })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_whose_leftover_it_is() {
        for prefix in [".", "tmp-", ""] {
            let archive = ArchiveName::new("%Y%d%m").unwrap();
            let naming = Naming { archive, temporary_prefix: prefix.to_owned(), id: "0a1b2c3d".to_owned() };
            let date = NaiveDate::from_ymd_opt(2026, 11, 23).unwrap();
            let archive = "20262311.tgz";
            assert_eq!(naming.leftover(&naming.part(archive)), Some(Leftover::OwnUpload));
            for other in [".ffffffff.part", ".part"] {
                assert_eq!(naming.leftover(&format!("{prefix}{archive}{other}")), Some(Leftover::OtherUpload));
            }
            for which in [Which::First, Which::Last, Which::Former] {
                // Without a prefix, both versions write the same name.
                let read = if prefix.is_empty() && which == Which::Former { Which::First } else { which };
                let name = naming.old(archive, which);
                assert_eq!(naming.set_aside(&name), Some(SetAside { archive, date, which: read }), "{name}");
            }
            for foreign in [".0A1B2C3D.part", ".0a1b2c3.part", ".part.old", ".old.part", ".first.old", ""] {
                assert_eq!(naming.leftover(&format!("{prefix}{archive}{foreign}")), None, "{foreign}");
            }
            assert_eq!(naming.leftover(&format!("{prefix}20269911.tgz.old")), None);
            let options =
                [Which::Former, Which::First, Which::Last].map(|which| restore_option(&naming.old(archive, which)));
            assert_eq!(options, ["--replaced", "--replaced", "--replaced=last"]);
        }
    }
}
