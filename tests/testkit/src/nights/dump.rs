//! A dump, its ZIP, and its comparison with an archive.

use std::fmt::Write as _;
use std::io::Read as _;
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use fastrand::Rng;
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;

use crate::servers::{Entry, Zip};

/// The name of the dump in the ZIP and in the archive.
pub const NAME: &str = "dumpfile.sql";

#[derive(Debug, Clone, PartialEq)]
pub struct Dump {
    pub content: Arc<Vec<u8>>,
    /// Whole seconds.
    pub modified: DateTime<Utc>,
}

impl Dump {
    /// A compressible dump of `size` bytes, modified on `date` (UTC).
    pub fn random(date: NaiveDate, size: usize, random: &mut Rng) -> Dump {
        let mut content = String::with_capacity(size + 64);
        while content.len() < size {
            writeln!(content, "INSERT INTO `orders` VALUES ('{:032x}','open');", random.u128(..)).unwrap();
        }
        content.truncate(size);
        Dump { content: Arc::new(content.into_bytes()), modified: random_time(date, random) }
    }

    /// An incompressible dump of `size` bytes.
    pub fn random_noise(date: NaiveDate, size: usize, random: &mut Rng) -> Dump {
        let mut content = vec![0; size];
        random.fill(&mut content);
        Dump { content: Arc::new(content), modified: random_time(date, random) }
    }

    pub fn zip(&self) -> Zip {
        let entry = Entry::new(NAME, self.content.to_vec()).extended_time(self.modified);
        Zip::new().with(Entry::new("README.txt", "Made every night.\n")).with(entry)
    }

    /// A `.tgz` of only this dump, in the format of other programs.
    pub fn archive(&self) -> Vec<u8> {
        let mut header = tar::Header::new_ustar();
        header.set_mode(0o600);
        header.set_size(self.content.len() as u64);
        header.set_mtime(u64::try_from(self.modified.timestamp()).unwrap());
        let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        archive.append_data(&mut header, NAME, self.content.as_slice()).unwrap();
        archive.into_inner().unwrap().finish().unwrap()
    }

    /// The first difference between `archive` and a `.tgz` of this dump; `None` if there is none.
    pub fn difference(&self, archive: &[u8]) -> Option<String> {
        match extract(archive) {
            Err(error) => Some(format!("it cannot be extracted: {error}")),
            Ok((name, _, _)) if name != NAME => Some(format!("it contains {name:?}")),
            Ok((_, modified, _)) if modified != self.modified.timestamp() => {
                Some(format!("the dump in it was modified at {modified} instead of {}", self.modified.timestamp()))
            }
            Ok((_, _, content)) if content != *self.content => Some("the dump in it has different bytes".to_owned()),
            Ok(_) => None,
        }
    }
}

fn random_time(date: NaiveDate, random: &mut Rng) -> DateTime<Utc> {
    date.and_time(NaiveTime::MIN).and_utc() + TimeDelta::seconds(random.i64(0..86_400))
}

/// Name, modification time and bytes of the only file in `archive`.
pub fn extract(archive: &[u8]) -> Result<(String, i64, Vec<u8>), String> {
    let text = |error: std::io::Error| error.to_string();
    let mut archive = tar::Archive::new(MultiGzDecoder::new(archive));
    let mut file = None;
    for entry in archive.entries().map_err(text)? {
        let mut entry = entry.map_err(text)?;
        let name = entry.path().map_err(text)?.display().to_string();
        let modified = entry.header().mtime().map_err(text)?;
        let mut content = Vec::new();
        entry.read_to_end(&mut content).map_err(text)?;
        if file.replace((name, i64::try_from(modified).unwrap_or(-1), content)).is_some() {
            return Err("it contains more than one file".to_owned());
        }
    }
    file.ok_or_else(|| "it is empty".to_owned())
}
