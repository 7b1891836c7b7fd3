//! `gen-config --from`: the configuration of the system that this one replaces, converted, with its secrets in files.

use std::fs::{self, DirBuilder};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use secrecy::ExposeSecret as _;

use crate::cli;
use crate::commands::gen_config::{GenConfigError, PRIVATE, appear, prepare, print};
use crate::config::original::{self, Conversion, Remark, RemarkKind, SecretFile};
use crate::disk::atomic_file::{AtomicFile, folder_of};
use crate::rules::redaction::printable;

/// Converts the configuration `old`, and tells on `stderr` what was converted, what was assumed and what is left to do.
/// Everything is complete before the first file gets its name; the configuration gets its own last. No file replaces another
/// one unless forced. Where something fails, the files that were made are gone again.
pub(super) fn write(
    old: &Path,
    arguments: &cli::GenConfig,
    stdout: &mut dyn Write,
    stderr: &mut dyn Write,
) -> Result<(), GenConfigError> {
    let mut conversion = original::read(old).map_err(GenConfigError::Old)?;
    let old_name = printable(&old.to_string_lossy());
    match &arguments.output {
        Some(output) => {
            write_files(output, &conversion, arguments.force)?;
            conversion.remarks.push(by_hand(format!(
                "{old_name} still holds the passwords in clear: remove it once the new configuration works"
            )));
        }
        None => {
            print(stdout, &conversion.configuration)?;
            conversion.remarks.extend(conversion.secrets.iter().map(|secret| {
                by_hand(format!(
                    "{}: write into it (chmod 600) what stands as {} in {old_name}; --output does that too",
                    secret.file, secret.old_key
                ))
            }));
        }
    }
    // Whoever closed stderr does not want to know.
    _ = conversion.remarks.iter().try_for_each(|remark| writeln!(stderr, "{remark}"));
    Ok(())
}

fn by_hand(text: String) -> Remark {
    Remark { kind: RemarkKind::ByHand, text }
}

fn write_files(output: &Path, conversion: &Conversion, force: bool) -> Result<(), GenConfigError> {
    let folder = folder_of(output);
    let missing: Vec<&SecretFile> =
        conversion.secrets.iter().filter(|secret| force || !holds(&folder.join(secret.file), secret)).collect();
    if !force && let Some(taken) = taken([output.to_owned()].into_iter().chain(paths(folder, &missing))) {
        return Err(GenConfigError::Exists(taken));
    }
    let mut made = Made::default();
    let mut prepared = Vec::new();
    for secret in missing {
        let file = folder.join(secret.file);
        made.folder_of(&file)?;
        prepared.push(prepare(&file, secret.content.expose_secret())?);
    }
    prepared.push(prepare(output, &conversion.configuration)?);
    for file in prepared {
        made.appear(file, force)?;
    }
    made.keep();
    Ok(())
}

fn paths(folder: &Path, secrets: &[&SecretFile]) -> Vec<PathBuf> {
    secrets.iter().map(|secret| folder.join(secret.file)).collect()
}

/// The first of the files at which something lies, be it a link that leads nowhere.
fn taken(mut files: impl Iterator<Item = PathBuf>) -> Option<PathBuf> {
    files.find(|file| fs::symlink_metadata(file).is_ok())
}

/// Whether `file` already is what it would become, as after a run that was interrupted.
fn holds(file: &Path, secret: &SecretFile) -> bool {
    let is_private = fs::symlink_metadata(file)
        .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o777 == PRIVATE);
    is_private && fs::read(file).is_ok_and(|content| content == secret.content.expose_secret().as_bytes())
}

/// What a conversion has made so far; taken back if it does not come to its end.
#[derive(Default)]
struct Made {
    files: Vec<PathBuf>,
    folders: Vec<PathBuf>,
}

impl Made {
    /// Makes the folder of `file`, for its owner alone, where it is missing.
    fn folder_of(&mut self, file: &Path) -> Result<(), GenConfigError> {
        let folder = folder_of(file);
        match DirBuilder::new().mode(0o700).create(folder) {
            Ok(()) => self.folders.push(folder.to_owned()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(source) => return Err(GenConfigError::Write { file: file.to_owned(), source }),
        }
        Ok(())
    }

    fn appear(&mut self, prepared: AtomicFile, force: bool) -> Result<(), GenConfigError> {
        let file = prepared.path().to_owned();
        let was_there = fs::symlink_metadata(&file).is_ok();
        appear(prepared, PRIVATE, force)?;
        if !was_there {
            self.files.push(file);
        }
        Ok(())
    }

    fn keep(&mut self) {
        self.files.clear();
        self.folders.clear();
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        for file in &self.files {
            _ = fs::remove_file(file);
        }
        for folder in &self.folders {
            _ = fs::remove_dir(folder);
        }
    }
}
