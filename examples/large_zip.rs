//! Writes a ZIP with a dump of any size, without ever holding it in memory.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a tool for trials ends by panicking")]

mod servers;

use std::error::Error;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::PathBuf;

use chrono::Utc;
use clap::Parser;
use servers::zips;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// Write a ZIP that holds an SQL dump, modified just now
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
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let now = u32::try_from(Utc::now().timestamp())?;
    let options = SimpleFileOptions::default().compression_level(Some(1)).large_file(true).into_full_options();
    let options = options.with_extended_timestamp(Some(now), None, None)?;
    let mut writer = ZipWriter::new(BufWriter::new(File::create(&arguments.file)?));
    writer.start_file(arguments.name.as_str(), options)?;
    let mut lines = BufWriter::with_capacity(1 << 16, &mut writer);
    zips::write_sql_dump(arguments.bytes, &mut lines)?;
    lines.flush()?;
    drop(lines);
    writer.finish()?.flush()?;
    Ok(())
}
