//! `restore`: gets the dump back out of an archive on the server.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};
use thiserror::Error;

use super::foreground::{self, Site, Surroundings, Work};
use super::recovery::{look, told_dump};
use crate::archive::{PackedDump, UnpackError, unpack};
use crate::cli::{self, Replaced};
use crate::clock::Clock;
use crate::config::{self, Environment};
use crate::destination::{Fetched, fetch};
use crate::disk::check_space;
use crate::disk::whole_file::WholeFile;
use crate::exit_code::ExitCode;
use crate::report::message::{Next, Restored, restored};
use crate::rules::dump::base_name;
use crate::rules::loading::{BEGINNING, Loading};
use crate::rules::recovery::{Stored, Wanted, choose, choose_replaced};
use crate::rules::redaction::printable;

/// For the operator alone, as the dump in it.
const FOLDER_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

/// Why nothing was restored.
#[derive(Debug, Error)]
enum RestoreError {
    /// There is something else.
    #[error("{} is not a folder; name another one with --output", .0.display())]
    NotAFolder(PathBuf),
    /// The folder cannot be made or used.
    #[error("cannot restore to {}; check its permissions, or name another folder with --output", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It may be somebody's work.
    #[error("{} already exists and was left alone; overwrite it with --force, or name another folder with --output", .0.display())]
    Exists(PathBuf),
    /// A file cannot take a folder's place.
    #[error("{} is a folder, which no file replaces; name another folder with --output", .0.display())]
    IsAFolder(PathBuf),
    /// The file cannot be written.
    #[error("cannot write {}; check the disk, or name another folder with --output", file.display())]
    Write {
        /// The file.
        file: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The archive does not give the dump.
    #[error(
        "{archive} on the server is bad, and nothing was restored: {problem}. \"verify --all\" tells which are good"
    )]
    Bad {
        /// The archive.
        archive: String,
        /// What is wrong with it.
        problem: String,
    },
}

/// What is wanted on this machine.
struct Order {
    wanted: Wanted,
    replaced: Option<Replaced>,
    folder: PathBuf,
    force: bool,
    archive_only: bool,
}

/// Restores what `arguments` ask for; `verbose` counts the `-v`.
pub fn restore(arguments: &cli::Restore, verbose: u8, clock: &Clock, environment: &Environment) -> ExitCode {
    let surroundings =
        Surroundings { config: &arguments.config, load: config::load_to_read_back, verbose, clock, environment };
    let order = Order {
        wanted: arguments.date.map_or(Wanted::Latest, Wanted::Of),
        replaced: arguments.replaced,
        folder: arguments.output.clone(),
        force: arguments.force,
        archive_only: arguments.archive_only,
    };
    foreground::conclude(foreground::run(&surroundings, move |site| order.fill(site)))
}

impl Order {
    fn fill(&self, site: &Site) -> Work {
        let begun = Instant::now();
        let dump_name = base_name(&site.config.source.dump);
        self.check_folder()?;
        if !self.archive_only {
            self.check_free(dump_name)?;
        }
        let (server, connection, listing, stored) = look(site)?;
        let archive = match (self.wanted, self.replaced) {
            (Wanted::Of(date), Some(which)) => {
                &choose_replaced(&listing, &site.config.naming(), date, which == Replaced::Last)?
            }
            (wanted, _) => choose(&stored, wanted)?,
        };
        let name = if self.archive_only { &archive.name } else { dump_name };
        self.check_free(name)?;
        let file = self.create()?;
        let failed = |source| RestoreError::Write { file: self.folder.join(name), source };
        if self.archive_only {
            check_space(&self.folder, archive.file.size.unwrap_or(0)).map_err(failed)?;
        }

        let bar = site.progress.bar("Restore", archive.file.size);
        let fetched = fetch(&server, connection, &archive.file, &bar, |reader| {
            if self.archive_only {
                let reader = Copying { reader, copy: file.as_file() };
                unpack(reader, dump_name, &site.interrupt, |_| Ok(Summed::new(io::sink())))
                    .map(|(dump, output)| (dump, output.finish()))
            } else {
                let begin = |dump: &PackedDump| {
                    check_space(&self.folder, dump.size)?;
                    Ok(Summed::new(file.as_file()))
                };
                unpack(reader, dump_name, &site.interrupt, begin).map(|(dump, output)| (dump, output.finish()))
            }
        })?;
        drop(bar);
        let Fetched { value, connections, .. } = fetched;
        let (dump, sum) = value.map_err(|error| match error {
            UnpackError::Write(source) | UnpackError::Read(source) => failed(source),
            error => RestoreError::Bad { archive: archive.name.clone(), problem: error.to_string() },
        })?;
        // After the last moment to give up: what has its name by then is whole.
        site.interrupt.check()?;
        self.publish(file, archive, name, &dump)?;
        self.tell(site, archive, name, &Restoration { dump, sum, connections, took: begun.elapsed() });
        Ok(ExitCode::Success)
    }
}

impl Order {
    /// Before anything else: whether the folder can be what it is to be.
    fn check_folder(&self) -> Result<(), RestoreError> {
        match fs::metadata(&self.folder) {
            Ok(found) if found.is_dir() => Ok(()),
            Ok(_) => Err(RestoreError::NotAFolder(self.folder.clone())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(self.unusable(error)),
        }
    }

    /// Whether the file called `name` may be written.
    fn check_free(&self, name: &str) -> Result<(), RestoreError> {
        let path = self.folder.join(name);
        match fs::symlink_metadata(&path) {
            Ok(found) if found.is_dir() => Err(RestoreError::IsAFolder(path)),
            Ok(_) if !self.force => Err(RestoreError::Exists(path)),
            _ => Ok(()),
        }
    }

    /// The file to be, in the folder, which is made where it is missing.
    fn create(&self) -> Result<WholeFile, RestoreError> {
        let made = DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(&self.folder);
        made.and_then(|()| WholeFile::create_in(&self.folder)).map_err(|error| self.unusable(error))
    }

    fn unusable(&self, source: io::Error) -> RestoreError {
        RestoreError::Folder { folder: self.folder.clone(), source }
    }

    /// Gives the whole file its name, with the dump's time of modification or the archive's own.
    fn publish(&self, file: WholeFile, archive: &Stored, name: &str, dump: &PackedDump) -> Result<(), RestoreError> {
        let modified = if self.archive_only { archive.file.modified } else { dump.modified };
        // Whatever the umask has made of it.
        let mode = file.as_file().set_permissions(fs::Permissions::from_mode(FILE_MODE));
        let time = mode.and_then(|()| modified.map_or(Ok(()), |time| file.as_file().set_modified(time.into())));
        time.and_then(|()| file.publish(name, self.force)).map_err(|source| {
            let path = self.folder.join(name);
            match source.kind() {
                io::ErrorKind::AlreadyExists => RestoreError::Exists(path),
                _ => RestoreError::Write { file: path, source },
            }
        })
    }

    fn tell(&self, site: &Site, archive: &Stored, name: &str, restoration: &Restoration) {
        let folder = self.folder.canonicalize().unwrap_or_else(|_| self.folder.clone());
        let path = folder.join(name).display().to_string();
        // Only NUL cannot be quoted, which no path holds.
        let quoted = shlex::try_quote(&path).unwrap_or_default();
        let unpack = format!("tar -xzf {quoted}");
        let next = if self.archive_only {
            Next::Unpack(&unpack)
        } else {
            Next::Load(Loading::of(&restoration.sum.beginning), &quoted)
        };
        let text = restored(&Restored {
            path: &path,
            archive: &archive.name,
            archive_size: archive.file.size.unwrap_or(0),
            connections: restoration.connections,
            took: restoration.took,
            dump: told_dump(&restoration.dump),
            sha256: restoration.sum.sha256,
            next,
        });
        for line in text.lines() {
            site.progress.print(&printable(line));
        }
    }
}

/// How it went.
struct Restoration {
    dump: PackedDump,
    sum: Sum,
    connections: usize,
    took: Duration,
}

/// What is told of a dump's bytes.
struct Sum {
    sha256: [u8; 32],
    beginning: Vec<u8>,
}

/// Sums up the dump's bytes on their way.
struct Summed<W> {
    output: W,
    sha256: Sha256,
    beginning: Vec<u8>,
}

impl<W> Summed<W> {
    fn new(output: W) -> Summed<W> {
        Summed { output, sha256: Sha256::new(), beginning: Vec::new() }
    }

    fn finish(self) -> Sum {
        Sum { sha256: self.sha256.finalize().into(), beginning: self.beginning }
    }
}

impl<W: Write> Write for Summed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.output.write(bytes)?;
        self.sha256.update(&bytes[..count]);
        let more = BEGINNING.saturating_sub(self.beginning.len()).min(count);
        self.beginning.extend_from_slice(&bytes[..more]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}

/// Keeps a copy of what is read. Its faults are told as those of reading.
struct Copying<'a> {
    reader: &'a mut dyn Read,
    copy: &'a File,
}

impl Read for Copying<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.copy.write_all(&buffer[..count])?;
        Ok(count)
    }
}
