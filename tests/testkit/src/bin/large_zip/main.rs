//! Writes a ZIP with a dump of any size, in constant memory.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed tool ends by panicking")]

mod rows;

use std::error::Error;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use chrono::{TimeDelta, Utc};
use clap::Parser;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

const BUFFER: usize = 256 * 1024;

/// Write a ZIP with an SQL dump, modified just now
#[derive(Parser)]
struct Arguments {
    /// The file to write
    file: PathBuf,
    /// The dump's size in bytes
    #[arg(long, default_value_t = 1 << 30)]
    bytes: u64,
    /// The dump's name
    #[arg(long, default_value = "dumpfile.sql")]
    name: String,
    /// Compression level, 1 to 9
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(i64).range(1..=9))]
    level: i64,
    /// Fill the dump with incompressible noise
    #[arg(long)]
    incompressible: bool,
    /// Put another entry of this many bytes of stored noise before the dump
    #[arg(long, default_value_t = 0)]
    other_bytes: u64,
    /// How many days ago the dump was modified
    #[arg(long, default_value_t = 0)]
    modified_days_ago: u32,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let modified = Utc::now() - TimeDelta::days(arguments.modified_days_ago.into());
    let modified = u32::try_from(modified.timestamp())?;
    let mut writer = ZipWriter::new(BufWriter::with_capacity(BUFFER, File::create(&arguments.file)?));
    if arguments.other_bytes > 0 {
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored).large_file(true);
        writer.start_file("other.bin", options)?;
        write_noise(arguments.other_bytes, &mut writer)?;
    }
    let options = SimpleFileOptions::default().compression_level(Some(arguments.level)).large_file(true);
    let options = options.into_full_options().with_extended_timestamp(Some(modified), None, None)?;
    writer.start_file(arguments.name.as_str(), options)?;
    if arguments.incompressible {
        write_noise(arguments.bytes, &mut writer)?;
    } else {
        rows::write_dump(arguments.bytes, &mut writer)?;
    }
    writer.finish()?.flush()?;
    Ok(())
}

/// Writes `size` incompressible bytes, always the same.
fn write_noise(size: u64, out: &mut impl Write) -> io::Result<()> {
    let mut random = fastrand::Rng::with_seed(7);
    let (mut remaining, mut piece) = (size, vec![0; BUFFER]);
    while remaining > 0 {
        random.fill(&mut piece);
        let count = remaining.min(BUFFER as u64);
        out.write_all(&piece[..count as usize])?;
        remaining -= count;
    }
    Ok(())
}
