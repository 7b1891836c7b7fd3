//! The names in the folder, parsed without the program's own code.

use chrono::NaiveDate;

use super::folder::Item;

/// A name that the program creates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Name {
    /// `20262311.tgz`.
    Archive(NaiveDate),
    /// `20262311.tgz.old`, `20262311.tgz.last.old`, `.20262311.tgz.old`.
    SetAside(NaiveDate, Replaced),
    /// `.20262311.tgz.0a1b2c3d.part` with its id, `.20262311.tgz.part` without.
    Upload(NaiveDate, Option<String>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Replaced {
    /// By the previous version of the program.
    Former,
    First,
    Last,
}

impl Name {
    /// The parsed name and the content; `None` if the program does not create such names, or `item` is not a file.
    pub fn parse<'a>(name: &str, item: &'a Item) -> Option<(Name, &'a [u8])> {
        let Item::File(content) = item else { return None };
        let parts: Vec<&str> = name.strip_prefix('.').unwrap_or(name).split('.').collect();
        let (["tgz", ending @ ..], date) = (parts.get(1..)?, parse_date(parts[0])?) else { return None };
        let is_hidden = name.starts_with('.');
        let is_id = |id: &str| id.len() == 8 && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let name = match (is_hidden, ending) {
            (false, []) => Name::Archive(date),
            (false, ["old"]) => Name::SetAside(date, Replaced::First),
            (false, ["last", "old"]) => Name::SetAside(date, Replaced::Last),
            (true, ["old"]) => Name::SetAside(date, Replaced::Former),
            (true, ["part"]) => Name::Upload(date, None),
            (true, [id, "part"]) if is_id(id) => Name::Upload(date, Some((*id).to_owned())),
            _ => return None,
        };
        Some((name, content))
    }
}

/// Year, day, month.
fn parse_date(digits: &str) -> Option<NaiveDate> {
    let digits = Some(digits).filter(|it| it.len() == 8 && it.bytes().all(|byte| byte.is_ascii_digit()))?;
    let number = |range: std::ops::Range<usize>| digits[range].parse().ok();
    NaiveDate::from_ymd_opt(number(0..4)? as i32, number(6..8)?, number(4..6)?)
}
