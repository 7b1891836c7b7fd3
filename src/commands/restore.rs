//! `restore`: unpacks the dump from an archive on the server into a local folder.

mod report;

use std::fs::{self, DirBuilder};
use std::io::{self, Read, Write};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use age::x25519::Identity;
use chrono::NaiveDate;
use rustix::process::geteuid;
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::archive::{ArchiveError, PackedDump, Stored, gunzip_beginning, unpack};
use crate::cli::{self, Replaced};
use crate::commands::foreground;
use crate::commands::foreground::{Context, Work};
use crate::commands::invocation::Invocation;
use crate::commands::jobs::select_one;
use crate::commands::recovery::{connect_and_list, identities, stored_sha256};
use crate::commands::restore::report::{Next, Restored};
use crate::config;
use crate::destination::{Fetched, fetch};
use crate::disk::atomic_file::AtomicFile;
use crate::disk::space::check_space;
use crate::exit_code::ExitCode;
use crate::rules::archive_name::is_encrypted;
use crate::rules::dump::base_name;
use crate::rules::loading::{BEGINNING, DumpFormat, LoadTarget};
use crate::rules::packed::MemberError;
use crate::rules::recovery::{StoredArchive, choose, choose_replaced};
use crate::rules::redaction::{printable, shell_word};

/// Private to the operator, like the dump.
const FOLDER_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

/// Why nothing was restored.
#[derive(Debug, Error)]
enum RestoreError {
    #[error("{} is not a folder; name another one with --output", .0.display())]
    NotAFolder(PathBuf),
    #[error("cannot restore to {}; check its permissions, or name another folder with --output", folder.display())]
    Folder { folder: PathBuf, source: io::Error },
    #[error("{} already exists and was not changed; overwrite it with --force, or name another folder with --output", .0.display())]
    Exists(PathBuf),
    #[error("{} is a folder, which a file cannot replace; name another folder with --output", .0.display())]
    IsAFolder(PathBuf),
    #[error("cannot write to standard output; what was written is incomplete")]
    Stdout(#[source] io::Error),
    #[error("{archive} cannot be read, and nothing was restored")]
    Unread { archive: String, source: ArchiveError },
    #[error("{0} is encrypted: give the private key of one of its recipients with --identity FILE")]
    Encrypted(String),
    #[error("cannot write {}; check the disk, or name another folder with --output", file.display())]
    Write { file: PathBuf, source: io::Error },
    #[error(
        "{archive} on the server contains {name:?} instead of {expected:?}, and nothing was restored. If that was the \
         dump's name at that time, run {command}"
    )]
    OtherName { archive: String, name: String, expected: String, command: String },
    #[error(
        "{archive} on the server is bad, and nothing was restored: {problem}. \"verify --all\" shows which archives are good"
    )]
    Bad { archive: String, problem: String },
}

/// The temporary name if the configuration does not name the dump.
const UNNAMED: &str = "dump";

struct Restoration {
    /// Private keys.
    identities: Vec<Identity>,
    /// Whether to write to standard output instead of the folder.
    to_stdout: bool,
    config: PathBuf,
    date: Option<NaiveDate>,
    replaced: Option<Replaced>,
    /// The dump's name, if it differs from the configuration.
    dump: Option<String>,
    folder: PathBuf,
    force: bool,
    archive_only: bool,
}

pub fn restore(arguments: &cli::Restore, invocation: &Invocation<'_>) -> ExitCode {
    let file = match select_one(&arguments.jobs, invocation) {
        Ok(file) => file,
        Err(error) => return error.report(),
    };
    let identities = match identities(&arguments.identity) {
        Ok(identities) => identities,
        Err(code) => return code,
    };
    let restoration = Restoration {
        identities,
        to_stdout: arguments.output.as_os_str() == "-",
        config: file.clone(),
        dump: arguments.dump.clone(),
        date: arguments.date,
        replaced: arguments.replaced,
        folder: arguments.output.clone(),
        force: arguments.force,
        archive_only: arguments.archive_only,
    };
    let work = move |context: &Context| restoration.run(context);
    foreground::conclude(foreground::run(&file, invocation, config::load_to_read_back, work))
}

impl Restoration {
    fn run(&self, context: &Context) -> Work {
        let begun = Instant::now();
        self.check_folder()?;
        // A name without a date is known before the server is contacted.
        let undated = context.config.dump.as_ref().filter(|dump| !dump.has_date());
        let undated = undated.map(|dump| dump.on(context.started.date_naive()));
        let path = self.dump.as_ref().or(undated.as_ref()).filter(|path| !path.contains('*') && !self.archive_only);
        path.map_or(Ok(()), |path| self.check_target(base_name(path)))?;
        let (server, connection, listing, stored) = connect_and_list(context)?;
        let archive = match (self.date, self.replaced) {
            (Some(date), Some(which)) => {
                &choose_replaced(&listing, &context.config.naming, date, which == Replaced::Last)?
            }
            (date, _) => choose(&stored, date)?,
        };
        let configured = context.config.dump.as_ref().map(|dump| dump.on(archive.date));
        let dump_name = self.dump.as_ref().or(configured.as_ref()).map(|path| base_name(path));
        let known_name = match self.archive_only {
            true => Some(archive.name.as_str()),
            false => dump_name.filter(|name| !name.contains('*')),
        };
        if let Some(name) = known_name {
            self.check_target(name)?;
        }
        let write_error = |source: io::Error| match source.downcast::<RestoreError>() {
            Ok(error) => error,
            Err(source) if self.to_stdout => RestoreError::Stdout(source),
            Err(source) => RestoreError::Write { file: self.folder.join(known_name.unwrap_or_default()), source },
        };
        let bad = |error: ArchiveError| RestoreError::Bad { archive: archive.name.clone(), problem: error.to_string() };
        if self.archive_only {
            self.check_space(archive.file.size.unwrap_or(0)).map_err(write_error)?;
        }

        let (sha256, connection) = stored_sha256(&server, connection, (&context.config.naming, archive))?;
        let sha256 = sha256.map_err(bad)?;
        let (is_encrypted, identities) = (is_encrypted(&archive.name), &*self.identities);
        if is_encrypted && identities.is_empty() && !(self.archive_only && sha256.is_some()) {
            return Err(RestoreError::Encrypted(archive.name.clone()).into());
        }
        let target = if self.to_stdout { None } else { Some(self.create(known_name.unwrap_or(UNNAMED))?) };
        let output = || -> Box<dyn Write + '_> {
            match &target {
                Some(file) => Box::new(file.as_file()),
                None => Box::new(io::stdout()),
            }
        };
        let stored = Stored { is_encrypted, identities, sha256: sha256.as_ref() };
        let fetched = fetch(&server, connection, &archive.file, (&context.progress, "Restore"), |reader| {
            let finish = |(dump, output): (PackedDump, Summing<_>)| (dump, output.finish());
            if self.archive_only {
                let reader = Copying { reader, copy: output() };
                let sink = |_: &PackedDump| Ok(Summing::new(Box::new(io::sink()) as Box<dyn Write>));
                stored.read(reader, |content| unpack(content, dump_name, &context.interrupt, sink).map(finish))
            } else {
                let begin = |dump: &PackedDump| {
                    self.check_target(&dump.name).map_err(io::Error::other)?;
                    self.check_space(dump.size)?;
                    Ok(Summing::new(output()))
                };
                stored.read(reader, |content| unpack(content, dump_name, &context.interrupt, begin).map(finish))
            }
        })?;
        let Fetched { value, connections, .. } = fetched;
        let restored = value.map_err(|error| match error {
            ArchiveError::WriteDump(source) | ArchiveError::ReadBack(source) => write_error(source),
            ArchiveError::Member(MemberError::Name { name, expected }) => {
                let command = self.command_with(&name, archive);
                RestoreError::OtherName { archive: archive.name.clone(), name, expected, command }
            }
            error @ ArchiveError::OtherRecipient => {
                RestoreError::Unread { archive: archive.name.clone(), source: error }
            }
            error => bad(error),
        })?;
        // From here on, an interruption does not stop the file from being published.
        context.interrupt.check()?;
        let Some(file) = target else {
            io::stdout().flush().map_err(RestoreError::Stdout)?;
            return Ok(ExitCode::Success);
        };
        // Without a private key, there is only the archive.
        let dump = restored.as_ref().map(|(dump, _)| dump);
        self.publish(file.with_name(self.file_name(archive, dump)), archive, dump)?;
        self.print(context, archive, restored.as_ref(), connections, begun.elapsed());
        Ok(ExitCode::Success)
    }

    fn print(
        &self,
        context: &Context,
        archive: &StoredArchive,
        content: Option<&(PackedDump, Sum)>,
        connections: usize,
        took: Duration,
    ) {
        let folder = self.folder.canonicalize().unwrap_or_else(|_| self.folder.clone());
        let path = folder.join(self.file_name(archive, content.map(|(dump, _)| dump))).display().to_string();
        let quoted = shell_word(&path);
        // A new database, to overwrite no existing one.
        let database = archive.date.format("restored_%Y%m%d").to_string();
        let database_file = shell_word(&folder.join(format!("{database}.db")).to_string_lossy());
        let unpack = match is_encrypted(&archive.name) {
            true => format!("age -d -i KEY_FILE {quoted} | tar -xz"),
            false => format!("tar -xzf {quoted}"),
        };
        let next = if let Some((_, sum)) = content.filter(|_| !self.archive_only) {
            let is_root = geteuid().is_root();
            let target = LoadTarget { file: &quoted, database: &database, database_file: &database_file, is_root };
            let loading = match gunzip_beginning(&sum.beginning, BEGINNING) {
                Some(dump) => DumpFormat::recognise(&dump).map(DumpFormat::in_gzip),
                None => DumpFormat::recognise(&sum.beginning),
            };
            Next::Load(loading, target)
        } else {
            Next::Unpack(&unpack)
        };
        let restored = Restored {
            path: &path,
            archive: &archive.name,
            archive_size: archive.file.size.unwrap_or(0),
            connections,
            took,
            dump: content.map(|(dump, sum)| (dump, sum.sha256)),
            next,
        };
        for line in report::text(&restored, &context.config.zone).lines() {
            context.progress.print(&printable(line));
        }
    }

    fn file_name<'a>(&self, archive: &'a StoredArchive, dump: Option<&'a PackedDump>) -> &'a str {
        dump.filter(|_| !self.archive_only).map_or(&archive.name, |dump| &dump.name)
    }

    /// The command that restores `archive` with the dump called `name`.
    fn command_with(&self, name: &str, archive: &StoredArchive) -> String {
        let date = archive.date.to_string();
        let [config, folder] = [&self.config, &self.folder].map(|path| path.to_string_lossy());
        let words =
            ["scripting-system", "restore", "--config", &config, "--date", &date, "--output", &folder, "--dump", name];
        let flags = [(self.force, "--force"), (self.archive_only, "--archive-only")];
        let flags = flags.into_iter().filter(|(is_given, _)| *is_given).map(|(_, flag)| flag);
        words.into_iter().chain(flags).map(shell_word).collect::<Vec<_>>().join(" ")
    }

    fn check_folder(&self) -> Result<(), RestoreError> {
        match fs::metadata(&self.folder) {
            _ if self.to_stdout => Ok(()),
            Ok(metadata) if metadata.is_dir() => Ok(()),
            Ok(_) => Err(RestoreError::NotAFolder(self.folder.clone())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(self.unusable(error)),
        }
    }

    fn check_space(&self, needed: u64) -> io::Result<()> {
        if self.to_stdout { Ok(()) } else { check_space(&self.folder, needed) }
    }

    fn check_target(&self, name: &str) -> Result<(), RestoreError> {
        if self.to_stdout {
            return Ok(());
        }
        let path = self.folder.join(name);
        match fs::symlink_metadata(&path) {
            Ok(metadata) if metadata.is_dir() => Err(RestoreError::IsAFolder(path)),
            Ok(_) if !self.force => Err(RestoreError::Exists(path)),
            _ => Ok(()),
        }
    }

    /// Creates the temporary file for `name`, and the folder if it is missing.
    fn create(&self, name: &str) -> Result<AtomicFile, RestoreError> {
        let created = DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(&self.folder);
        created.and_then(|()| AtomicFile::create(&self.folder.join(name))).map_err(|error| self.unusable(error))
    }

    fn unusable(&self, source: io::Error) -> RestoreError {
        RestoreError::Folder { folder: self.folder.clone(), source }
    }

    /// Sets the modification time to that of the dump or of the archive, and renames the file.
    fn publish(
        &self,
        file: AtomicFile,
        archive: &StoredArchive,
        dump: Option<&PackedDump>,
    ) -> Result<(), RestoreError> {
        let modified = dump.filter(|_| !self.archive_only).map_or(archive.file.modified, |dump| dump.modified);
        let path = file.path().to_owned();
        let time = modified.map_or(Ok(()), |time| file.as_file().set_modified(time.into()));
        time.and_then(|()| file.publish(FILE_MODE, self.force)).map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => RestoreError::Exists(path),
            _ => RestoreError::Write { file: path, source },
        })
    }
}

struct Sum {
    sha256: [u8; 32],
    beginning: Vec<u8>,
}

/// Hashes the written bytes and keeps the first ones.
struct Summing<W> {
    output: W,
    sha256: Sha256,
    beginning: Vec<u8>,
}

impl<W> Summing<W> {
    fn new(output: W) -> Summing<W> {
        Summing { output, sha256: Sha256::new(), beginning: Vec::new() }
    }

    fn finish(self) -> Sum {
        Sum { sha256: self.sha256.finalize().into(), beginning: self.beginning }
    }
}

impl<W: Write> Write for Summing<W> {
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

/// Copies the bytes that it reads to a file. Write errors are returned as read errors.
struct Copying<'a> {
    reader: &'a mut dyn Read,
    copy: Box<dyn Write + 'a>,
}

impl Read for Copying<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.copy.write_all(&buffer[..count])?;
        Ok(count)
    }
}
