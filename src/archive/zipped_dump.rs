//! Finds the dump in the ZIP without reading its data.

use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;

use chrono::{DateTime, NaiveDate, Utc};
use zip::extra_fields::ExtraField;
use zip::read::ZipFile;
use zip::{CompressionMethod, ZipArchive, ZipReadOptions};

use crate::archive::content::Declared;
use crate::archive::directory;
use crate::archive::error::ArchiveError;
use crate::config::Compression;
use crate::rules::dump::{self, EntryKind, Method, Names, ZipEntry};
use crate::rules::freshness::DumpTime;

/// Number of bytes read to recognise the type of a file.
const BEGINNING: u64 = 512;
/// Number of bytes of an unknown file that are reported.
const MAX_SHOWN: usize = 40;
/// Size of an entry's local header in bytes, without the variable fields (APPNOTE 4.3.7).
const LOCAL_HEADER: u64 = 30;

#[derive(Debug, Clone)]
pub struct ZippedDump {
    entry: ZipEntry,
    unsent: Option<Names>,
    data: Range<u64>,
    pub(super) method: CompressionMethod,
    pub(super) declared: Declared,
}

impl ZippedDump {
    /// Finds the only file in the ZIP in `reader` that matches `pattern`, as in [`dump::find`]. Checks in the ZIP's directory that it is a readable, non-empty regular
    /// file of at most `max_bytes` and overlaps no other entry. Does not read the dump's data.
    pub fn find(mut reader: impl Read + Seek, pattern: &str, max_bytes: u64) -> Result<ZippedDump, ArchiveError> {
        let (size, beginning) = size_and_beginning(&mut reader).map_err(ArchiveError::Read)?;
        let mut zip = directory::open(reader)?.ok_or_else(|| no_end_record_error(size, &beginning))?;
        if zip.has_duplicate_names() {
            return Err(ArchiveError::Inconsistent("it holds the same name more than once"));
        }
        let names = names(&zip)?;
        let index = dump::find(names.iter().map(String::as_str), pattern)?;
        let name = &names[index];
        let unsent = dump::other_dumps(names.iter().map(String::as_str), name);
        let entry = describe(&mut zip, index, name)?;
        dump::check(&entry, max_bytes)?;

        let mut others = Vec::with_capacity(zip.len());
        for other in (0..zip.len()).filter(|other| *other != index) {
            let other = zip.by_index_data(other)?;
            let min_length = (LOCAL_HEADER + other.name_raw().len() as u64).saturating_add(other.compressed_size());
            others.push(other.header_start()..other.header_start().saturating_add(min_length));
        }
        let directory = zip.central_directory_start();
        let options = ZipReadOptions::new().enforce_header_consistency(true);
        let file = zip.by_index_with_options(index, options)?;
        let start = file.data_start().ok_or(ArchiveError::Inconsistent("the offset of the dump's data is missing"))?;
        let end = start.checked_add(file.compressed_size()).filter(|end| *end <= directory);
        let end = end.ok_or(ArchiveError::Inconsistent("the dump overlaps the directory"))?;
        let own = file.header_start()..end;
        if others.iter().any(|other| other.start < own.end && own.start < other.end) {
            return Err(ArchiveError::Inconsistent("its entries overlap"));
        }
        Ok(ZippedDump {
            entry,
            unsent,
            data: start..end,
            method: file.compression(),
            declared: Declared { size: file.size(), crc32: file.crc32() },
        })
    }

    pub fn entry(&self) -> &ZipEntry {
        &self.entry
    }

    /// The ZIP's other files with the dump's extension.
    pub fn unsent(&self) -> Option<&Names> {
        self.unsent.as_ref()
    }

    /// The approximate size of the archive in bytes, if it is known before packing.
    pub fn expected_archive_size(&self, compression: Compression) -> Option<u64> {
        let is_reused = compression == Compression::Reuse && self.method == CompressionMethod::Deflated;
        is_reused.then(|| self.data.end - self.data.start)
    }

    /// The range of the dump's data in the ZIP.
    pub fn data(&self) -> Range<u64> {
        self.data.clone()
    }
}

/// The error for a file of `size` bytes without an end record that starts with `beginning`.
fn no_end_record_error(size: u64, beginning: &[u8]) -> ArchiveError {
    // A local file header (APPNOTE 4.3.7), or the signature of a split ZIP (8.5.4).
    if [b"PK\x03\x04", b"PK\x07\x08", b"PK00"].iter().any(|start| beginning.starts_with(*start)) {
        return ArchiveError::Truncated(size);
    }
    let shown = String::from_utf8_lossy(&beginning[..beginning.len().min(MAX_SHOWN)]).into_owned();
    ArchiveError::NotAZip { kind: dump::file_kind(beginning), beginning: shown, size }
}

/// The names of all entries. Names that are not UTF-8 are decoded as CP437 (APPNOTE 4.4.17, appendix D).
fn names<R: Read + Seek>(zip: &ZipArchive<R>) -> Result<Vec<String>, ArchiveError> {
    zip.file_names().map(|name| name.map(String::from).map_err(ArchiveError::from)).collect()
}

fn describe<R: Read + Seek>(zip: &mut ZipArchive<R>, index: usize, name: &str) -> Result<ZipEntry, ArchiveError> {
    let file = zip.by_index_raw(index)?;
    let kind = if file.is_dir() {
        EntryKind::Directory
    } else if file.is_symlink() {
        EntryKind::Symlink
    } else {
        EntryKind::File
    };
    let method = match file.compression() {
        CompressionMethod::Stored
        | CompressionMethod::Deflated
        | CompressionMethod::Deflate64
        | CompressionMethod::Bzip2 => Method::Supported,
        other => Method::Unsupported(method_name(other)),
    };
    Ok(ZipEntry {
        name: name.to_owned(),
        kind,
        size: file.size(),
        is_encrypted: file.encrypted(),
        method,
        time: modification_time(&file),
    })
}

/// The name of a compression method (APPNOTE 4.4.5).
fn method_name(method: CompressionMethod) -> String {
    match method {
        CompressionMethod::SHRINK => "Shrink".to_owned(),
        CompressionMethod::IMPLODE => "Implode".to_owned(),
        CompressionMethod::LZMA => "LZMA".to_owned(),
        CompressionMethod::ZSTD => "Zstandard".to_owned(),
        CompressionMethod::XZ => "XZ".to_owned(),
        CompressionMethod::PPMD => "PPMd".to_owned(),
        other => format!("a method that is not supported ({other})"),
    }
}

/// The extended timestamp of `file`, or its NTFS time, or its DOS time.
fn modification_time<R: Read + Seek>(file: &ZipFile<'_, R>) -> DumpTime {
    let mut ntfs = None;
    for field in file.extra_data_fields() {
        match field {
            ExtraField::ExtendedTimestamp(times) => {
                if let Some(time) = times.mod_time().and_then(|seconds| DateTime::from_timestamp(seconds.into(), 0)) {
                    return DumpTime::Instant(time);
                }
            }
            ExtraField::Ntfs(times) => ntfs = from_ntfs(times.mtime()),
            _ => {}
        }
    }
    if let Some(time) = ntfs {
        return DumpTime::Instant(time);
    }
    file.last_modified()
        .and_then(|dos| {
            NaiveDate::from_ymd_opt(dos.year().into(), dos.month().into(), dos.day().into())?.and_hms_opt(
                dos.hour().into(),
                dos.minute().into(),
                dos.second().into(),
            )
        })
        .map_or(DumpTime::Missing, DumpTime::WallClock)
}

/// Converts an NTFS time, in steps of 100 ns since 1601-01-01 UTC (APPNOTE 4.5.5).
fn from_ntfs(ticks: u64) -> Option<DateTime<Utc>> {
    const TICKS_PER_SECOND: u64 = 10_000_000;
    const SECONDS_FROM_1601_TO_1970: i64 = 11_644_473_600;
    let seconds = i64::try_from(ticks / TICKS_PER_SECOND).ok()?;
    DateTime::from_timestamp(seconds - SECONDS_FROM_1601_TO_1970, 0)
}

fn size_and_beginning<R: Read + Seek>(reader: &mut R) -> io::Result<(u64, Vec<u8>)> {
    let size = reader.seek(SeekFrom::End(0))?;
    reader.seek(SeekFrom::Start(0))?;
    let mut beginning = Vec::new();
    reader.take(BEGINNING).read_to_end(&mut beginning)?;
    Ok((size, beginning))
}
