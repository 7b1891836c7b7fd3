//! `restore`: gets the dump back out of an archive on the server.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::process::geteuid;
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::archive::{ArchiveError, PackedDump, gunzipped, unpack};
use crate::cli::{self, Replaced};
use crate::commands::foreground::{self, Site, Surroundings, Work};
use crate::commands::recovery::report::{Next, Restored, restored, shell_word};
use crate::commands::recovery::{look, told_dump};
use crate::config::{self, Environment};
use crate::destination::Fetched;
use crate::destination::fetch;
use crate::disk::atomic_file::AtomicFile;
use crate::disk::space::check_space;
use crate::exit_code::ExitCode;
use crate::rules::dump::base_name;
use crate::rules::loading::{BEGINNING, Loading, Place};
use crate::rules::packed::MemberError;
use crate::rules::recovery::{Stored, Wanted, choose, choose_replaced};
use crate::rules::redaction::printable;
use crate::runtime::clock::Clock;

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
    /// The archive holds a file of another name.
    #[error(
        "{archive} on the server holds {name:?} instead of {wanted:?}, and nothing was restored. If the dump had that name \
         at that time: {command}"
    )]
    OtherName {
        /// The archive.
        archive: String,
        /// What the file in it is called.
        name: String,
        /// What the dump is called.
        wanted: String,
        /// What restores it.
        command: String,
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

/// Stands for a name that only the archive knows.
const UNNAMED: &str = "dump";

/// What is wanted on this machine.
struct Order {
    config: PathBuf,
    wanted: Wanted,
    replaced: Option<Replaced>,
    /// The dump's name, where it is not the one that the configuration names.
    dump: Option<String>,
    folder: PathBuf,
    force: bool,
    archive_only: bool,
}

/// Restores what `arguments` ask for; `verbose` counts the `-v`.
pub fn restore(arguments: &cli::Restore, verbose: u8, clock: &Clock, environment: &Environment) -> ExitCode {
    let surroundings =
        Surroundings { config: &arguments.config, load: config::load_to_read_back, verbose, clock, environment };
    let order = Order {
        config: arguments.config.clone(),
        dump: arguments.dump.clone(),
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
        let dump_name = self.dump.as_ref().or(site.config.dump.as_ref()).map(|path| base_name(path));
        self.check_folder()?;
        if let Some(name) = dump_name.filter(|_| !self.archive_only) {
            self.check_free(name)?;
        }
        let (server, connection, listing, stored) = look(site)?;
        let archive = match (self.wanted, self.replaced) {
            (Wanted::Of(date), Some(which)) => {
                &choose_replaced(&listing, &site.config.naming, date, which == Replaced::Last)?
            }
            (wanted, _) => choose(&stored, wanted)?,
        };
        let known_name = if self.archive_only { Some(archive.name.as_str()) } else { dump_name };
        let file = self.create(known_name.unwrap_or(UNNAMED))?;
        let failed = |source: io::Error| match source.downcast::<RestoreError>() {
            Ok(error) => error,
            Err(source) => RestoreError::Write { file: self.folder.join(known_name.unwrap_or_default()), source },
        };
        if self.archive_only {
            self.check_free(&archive.name)?;
            check_space(&self.folder, archive.file.size.unwrap_or(0)).map_err(failed)?;
        }

        let fetched = fetch(&server, connection, &archive.file, (&site.progress, "Restore"), |reader| {
            if self.archive_only {
                let reader = Copying { reader, copy: file.as_file() };
                unpack(reader, dump_name, &site.interrupt, |_| Ok(Summed::new(io::sink())))
                    .map(|(dump, output)| (dump, output.finish()))
            } else {
                let begin = |dump: &PackedDump| {
                    self.check_free(&dump.name).map_err(io::Error::other)?;
                    check_space(&self.folder, dump.size)?;
                    Ok(Summed::new(file.as_file()))
                };
                unpack(reader, dump_name, &site.interrupt, begin).map(|(dump, output)| (dump, output.finish()))
            }
        })?;
        let Fetched { value, connections, .. } = fetched;
        let (dump, sum) = value.map_err(|error| match error {
            ArchiveError::WriteDump(source) | ArchiveError::ReadBack(source) => failed(source),
            ArchiveError::Member(MemberError::Name { name, wanted }) => {
                let command = self.command_with(&name, archive);
                RestoreError::OtherName { archive: archive.name.clone(), name, wanted, command }
            }
            error => RestoreError::Bad { archive: archive.name.clone(), problem: error.to_string() },
        })?;
        // After the last moment to give up: what has its name by then is whole.
        site.interrupt.check()?;
        let name = &if self.archive_only { archive.name.clone() } else { dump.name.clone() };
        self.publish(file.with_name(name), archive, &dump)?;
        self.tell(site, archive, name, &Restoration { dump, sum, connections, took: begun.elapsed() });
        Ok(ExitCode::Success)
    }
}

impl Order {
    /// The command that restores `archive` where the dump in it is called `name`.
    fn command_with(&self, name: &str, archive: &Stored) -> String {
        let date = archive.date.to_string();
        let [config, folder] = [&self.config, &self.folder].map(|path| path.to_string_lossy());
        let words =
            ["scripting-system", "restore", "--config", &config, "--date", &date, "--output", &folder, "--dump", name];
        let flags = [(self.force, "--force"), (self.archive_only, "--archive-only")];
        let flags = flags.into_iter().filter(|(is_given, _)| *is_given).map(|(_, flag)| flag);
        words.into_iter().chain(flags).map(shell_word).collect::<Vec<_>>().join(" ")
    }

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

    /// The file that will be called `name`, in the folder, which is created where it is missing.
    fn create(&self, name: &str) -> Result<AtomicFile, RestoreError> {
        let made = DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(&self.folder);
        made.and_then(|()| AtomicFile::create(&self.folder.join(name))).map_err(|error| self.unusable(error))
    }

    fn unusable(&self, source: io::Error) -> RestoreError {
        RestoreError::Folder { folder: self.folder.clone(), source }
    }

    /// Gives the whole file its name, with the dump's time of modification or the archive's own.
    fn publish(&self, file: AtomicFile, archive: &Stored, dump: &PackedDump) -> Result<(), RestoreError> {
        let modified = if self.archive_only { archive.file.modified } else { dump.modified };
        let path = file.path().to_owned();
        let time = modified.map_or(Ok(()), |time| file.as_file().set_modified(time.into()));
        time.and_then(|()| file.publish(FILE_MODE, self.force)).map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => RestoreError::Exists(path),
            _ => RestoreError::Write { file: path, source },
        })
    }

    fn tell(&self, site: &Site, archive: &Stored, name: &str, restoration: &Restoration) {
        let folder = self.folder.canonicalize().unwrap_or_else(|_| self.folder.clone());
        let path = folder.join(name).display().to_string();
        let quoted = shell_word(&path);
        // A new one, so that nothing that exists is loaded over.
        let database = archive.date.format("restored_%Y%m%d").to_string();
        let database_file = shell_word(&folder.join(format!("{database}.db")).to_string_lossy());
        let unpack = format!("tar -xzf {quoted}");
        let next = if self.archive_only {
            Next::Unpack(&unpack)
        } else {
            let place = Place {
                file: &quoted,
                database: &database,
                database_file: &database_file,
                is_root: geteuid().is_root(),
            };
            let beginning = &restoration.sum.beginning;
            let loading = match gunzipped(beginning, BEGINNING) {
                Some(dump) => Loading::of(&dump).map(Loading::from_gzip),
                None => Loading::of(beginning),
            };
            Next::Load(loading, place)
        };
        let text = restored(&Restored {
            path: &path,
            archive: &archive.name,
            archive_size: archive.file.size.unwrap_or(0),
            connections: restoration.connections,
            took: restoration.took,
            dump: told_dump(&restoration.dump, &site.config.zone),
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
