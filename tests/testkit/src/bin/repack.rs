//! Repacks the dump of a local ZIP like the program, to measure only that step.

use std::error::Error;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::PathBuf;
use std::time::Instant;

use chrono::DateTime;
use clap::Parser;
use scripting_system::archive::ZippedDump;
use scripting_system::config::Compression;
use scripting_system::rules::freshness::DumpTime;
use scripting_system::rules::origin::Mark;
use scripting_system::runtime::interrupt::Interrupt;

const BUFFER: usize = 256 * 1024;

/// Pack the dump of a ZIP as a .tgz
#[derive(Parser)]
struct Arguments {
    /// The ZIP
    zip: PathBuf,
    /// The dump's path in the ZIP
    dump: String,
    /// The .tgz to write
    output: PathBuf,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let start = Instant::now();
    let mut zip = BufReader::with_capacity(BUFFER, File::open(&arguments.zip)?);
    let dump = ZippedDump::find(&mut zip, &arguments.dump, u64::MAX)?;
    let modified = match dump.entry().time {
        DumpTime::Instant(time) => time,
        // The zone of a DOS time does not affect the measurement.
        DumpTime::WallClock(time) => time.and_utc(),
        DumpTime::Missing => DateTime::UNIX_EPOCH,
    };
    let data = dump.data();
    zip.seek(SeekFrom::Start(data.start))?;
    let mut output = BufWriter::with_capacity(BUFFER, File::create(&arguments.output)?);
    let mark = Mark::parse(b"0123456789abcdef").ok_or("no mark")?;
    dump.pack(zip.take(data.end - data.start), Compression::Reuse, modified, &mark, &mut output, &Interrupt::new())?;
    output.flush()?;
    let seconds = start.elapsed().as_secs_f64();
    println!("{} bytes in {seconds:.3} seconds", output.get_ref().metadata()?.len());
    Ok(())
}
