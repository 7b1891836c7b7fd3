//! Keys for encrypted archives, made by age-keygen, and the programs with which people read such archives without this one.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Creates a private key in `folder`. Returns its file and the recipient.
pub fn age_key(folder: &Path, name: &str) -> (PathBuf, String) {
    let file = folder.join(name);
    output(Command::new("age-keygen").arg("-o").arg(&file));
    let text = fs::read_to_string(&file).unwrap();
    let recipient = text.lines().find_map(|line| line.strip_prefix("# public key: ")).unwrap().to_owned();
    (file, recipient)
}

/// The dump in an encrypted archive, read by `age` and `tar`.
pub fn age_and_tar(archive: &Path, identity: &Path) -> Vec<u8> {
    let script = "set -o pipefail; age -d -i \"$0\" \"$1\" | tar -xzO";
    output(Command::new("bash").args(["-c", script]).arg(identity).arg(archive))
}

/// Encrypts `dump` as an archive with `tar` and `age`, without this program.
pub fn tar_and_age(dump: &Path, recipient: &str, archive: &Path) {
    let script =
        "set -o pipefail; tar -czf - -C \"$(dirname \"$0\")\" \"$(basename \"$0\")\" | age -r \"$1\" -o \"$2\"";
    output(Command::new("bash").args(["-c", script]).arg(dump).arg(recipient).arg(archive));
}

/// Whether `sha256sum -c --strict` accepts the checksum file.
pub fn sha256sum_accepts(checksum: &Path) -> bool {
    let mut command = Command::new("sha256sum");
    command.args(["-c", "--strict", "--status"]).arg(checksum).current_dir(checksum.parent().unwrap());
    command.status().unwrap().success()
}

fn output(command: &mut Command) -> Vec<u8> {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?} (Debian package age): {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}
