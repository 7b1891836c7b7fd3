//! ZIP files like those of a nightly job: a dump with its time in one of ZIP's formats, and other entries.

use std::fs;
use std::io::{Cursor, Write as _};
use std::path::Path;

use chrono::{DateTime, Datelike, NaiveDateTime, Timelike, Utc};
pub use zip::CompressionMethod as Method;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// Windows file times start in 1601.
const SECONDS_1601_TO_1970: u64 = 11_644_473_600;

#[derive(Debug, Clone, Default)]
pub struct Entry {
    name: String,
    content: Vec<u8>,
    method: Method,
    dos: Option<NaiveDateTime>,
    extended: Option<u32>,
    ntfs: Option<u64>,
    is_folder: bool,
    link: Option<String>,
}

#[derive(Debug, Clone, Default)]
pub struct Zip {
    entries: Vec<Entry>,
    comment: String,
}

impl Entry {
    /// A deflated file without a time (DOS time 1980-01-01 00:00:00).
    pub fn new(name: &str, content: impl Into<Vec<u8>>) -> Entry {
        Entry { name: name.to_owned(), content: content.into(), ..Entry::default() }
    }

    pub fn folder(name: &str) -> Entry {
        Entry { is_folder: true, ..Entry::new(name, "") }
    }

    pub fn symlink(name: &str, target: &str) -> Entry {
        Entry { link: Some(target.to_owned()), ..Entry::new(name, "") }
    }

    setters! { self;
        /// The DOS time: local, without a zone, in steps of two seconds (rounded down).
        dos_time(local: NaiveDateTime) { self.dos = Some(local); }
        /// The extended timestamp (Info-ZIP's "UT"), in whole seconds of UTC.
        extended_time(time: DateTime<Utc>) {
            self.extended = Some(u32::try_from(time.timestamp()).expect("the time is from 1970 to 2106"));
        }
        /// The NTFS time, in UTC.
        ntfs_time(time: DateTime<Utc>) {
            let since_1970 = u64::try_from(time.timestamp_micros()).expect("the time is after 1970");
            self.ntfs = Some(SECONDS_1601_TO_1970 * 10_000_000 + since_1970 * 10);
        }
        method(method: Method) { self.method = method; }
    }
}

impl Zip {
    pub fn new() -> Zip {
        Zip::default()
    }

    setters! { self;
        with(entry: Entry) { self.entries.push(entry); }
        comment(comment: &str) { comment.clone_into(&mut self.comment); }
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        if !self.comment.is_empty() {
            writer.set_comment(self.comment.as_str()).expect("the comment is short");
        }
        for entry in &self.entries {
            let options = entry.options();
            if entry.is_folder {
                writer.add_directory(&entry.name, options).expect("a folder can be added");
            } else if let Some(target) = &entry.link {
                writer.add_symlink(&entry.name, target, options).expect("a link can be added");
            } else {
                writer.start_file(&entry.name, options).expect("an entry can be started");
                writer.write_all(&entry.content).expect("writing to memory succeeds");
            }
        }
        writer.finish().expect("a ZIP can be finished").into_inner()
    }

    /// Writes the ZIP to `path` atomically, so that a server never publishes an incomplete file.
    pub fn write(&self, path: &Path) {
        let name = path.file_name().expect("a ZIP has a name").to_string_lossy();
        let part = path.with_file_name(format!(".{name}.part"));
        fs::write(&part, self.bytes()).expect("a ZIP can be written");
        fs::rename(part, path).expect("a ZIP can be renamed");
    }
}

impl Entry {
    fn options(&self) -> zip::write::FullFileOptions<'static, 'static> {
        let mut options = SimpleFileOptions::default().compression_method(self.method);
        if let Some(time) = self.dos {
            options = options.last_modified_time(dos(time));
        }
        let mut options = options.into_full_options();
        if let Some(seconds) = self.extended {
            options = options.with_extended_timestamp(Some(seconds), None, None).expect("the timestamp fits");
        }
        if let Some(time) = self.ntfs {
            options = options.with_ntfs_times(time, time, time).expect("the times fit");
        }
        options
    }
}

fn dos(time: NaiveDateTime) -> zip::DateTime {
    let year = u16::try_from(time.year()).expect("DOS time starts in 1980");
    let (month, day) = (time.month() as u8, time.day() as u8);
    let (hour, minute, second) = (time.hour() as u8, time.minute() as u8, time.second() as u8);
    zip::DateTime::from_date_and_time(year, month, day, hour, minute, second).expect("DOS time is from 1980 to 2107")
}

/// An SQL dump of `size` bytes, always the same; it deflates to about a third.
pub fn sql_dump(size: usize) -> Vec<u8> {
    let mut dump = b"-- Dump of the database inforx\nSET NAMES utf8mb4;\n".to_vec();
    let mut random = fastrand::Rng::with_seed(42);
    for row in 1_u64.. {
        if dump.len() >= size {
            break;
        }
        let (customer, cents, token) = (random.u32(..1_000_000), random.u32(100..1_000_000), random.u64(..));
        let price = format!("{}.{:02}", cents / 100, cents % 100);
        writeln!(dump, "INSERT INTO `orders` VALUES ({row},{customer},{price},'{token:016x}','open');").unwrap();
    }
    dump.truncate(size);
    dump
}

/// Incompressible bytes, always the same.
pub fn noise(size: usize) -> Vec<u8> {
    let mut bytes = vec![0; size];
    fastrand::Rng::with_seed(7).fill(&mut bytes);
    bytes
}
