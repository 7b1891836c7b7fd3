//! The checksum file of an archive, `<archive>.sha256`.
//!
//! `sha256sum -c --strict` of coreutils reads it and ignores its comment lines. They contain the facts that cannot be read
//! from an encrypted archive.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use crate::rules::dump::base_name;
use crate::rules::origin::{Mark, Origin};
use crate::rules::redaction::printable;

/// At most this many bytes of a checksum file are read.
pub const MAX_SIZE: u64 = 4096;

const TITLE: &str = "# Checksum of an archive, written by scripting-system";

/// Begins the comment that protects the others.
const CHECK: &str = "\n# check: ";

pub type Digest = [u8; 32];

/// The content of a checksum file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checksum {
    /// The base name of the dump in the archive, printable.
    pub dump: String,
    /// The job's mark.
    pub job: Mark,
    /// The SHA-256 of the `.tgz` before encryption.
    pub plain: Digest,
    /// The SHA-256 of the archive.
    pub archive: Digest,
}

/// A file that has the name of a checksum file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChecksumFile {
    Valid(Checksum),
    /// Written by this program, and truncated or changed since.
    Damaged,
    /// Not written by this program.
    Foreign,
}

impl Checksum {
    pub fn new(dump: &str, job: Mark, [plain, archive]: [Digest; 2]) -> Checksum {
        Checksum { dump: printable(base_name(dump)), job, plain, archive }
    }

    /// The file for the archive called `name`.
    pub fn text(&self, name: &str) -> String {
        let Checksum { dump, job, plain, archive } = self;
        let facts = format!("# dump: {dump}\n# job: {}\n# before encryption: {}", job.as_str(), hex(plain));
        let line = format!("{}  {name}", hex(archive));
        // `sha256sum` does not check comments.
        let check = hex(&Sha256::digest(format!("{facts}\n{line}"))[..8]);
        format!("{TITLE}\n{facts}{CHECK}{check}\n{line}\n")
    }

    pub fn origin(&self) -> Origin {
        Origin { mark: Some(self.job.clone()), dump: Some(self.dump.clone()) }
    }
}

impl ChecksumFile {
    /// Parses `bytes`, the beginning of the checksum file of the archive called `name`.
    pub fn parse(bytes: &[u8], name: &str) -> ChecksumFile {
        let text = String::from_utf8_lossy(bytes);
        // It may be truncated, even within its first line, and one line may be damaged.
        let is_own = text.starts_with(TITLE) || TITLE.starts_with(&*text) || text.contains(CHECK);
        match parse(&text).filter(|checksum| checksum.text(name).as_bytes() == bytes) {
            Some(checksum) => ChecksumFile::Valid(checksum),
            None if is_own => ChecksumFile::Damaged,
            None => ChecksumFile::Foreign,
        }
    }

    pub fn valid(self) -> Option<Checksum> {
        match self {
            ChecksumFile::Valid(checksum) => Some(checksum),
            ChecksumFile::Damaged | ChecksumFile::Foreign => None,
        }
    }
}

/// Reads the lines, without checking them.
fn parse(text: &str) -> Option<Checksum> {
    let value = |label: &str| text.lines().find_map(|line| line.strip_prefix(label));
    Some(Checksum {
        dump: value("# dump: ")?.to_owned(),
        job: Mark::parse(value("# job: ")?.as_bytes())?,
        plain: from_hex(value("# before encryption: ")?)?,
        archive: from_hex(text.lines().last()?.split_once("  ")?.0)?,
    })
}

/// Lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut digits, byte| {
        // Writing to a string does not fail.
        let _ = write!(digits, "{byte:02x}");
        digits
    })
}

fn from_hex(digits: &str) -> Option<Digest> {
    let mut digest = Digest::default();
    if digits.len() != 2 * digest.len() || !digits.is_ascii() {
        return None;
    }
    for (at, byte) in digest.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).ok()?;
    }
    Some(digest)
}
