//! Who may write and read the files of a configuration, judged by their mode bits.

use std::path::Path;

use super::error::shown;

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds {
    /// Settings that are no secret: the configuration file.
    Settings,
    /// The configuration file with a secret in clear.
    SettingsAndSecrets,
    /// A secret and nothing else: a password, a private key.
    Secret,
}

/// What follows from a file's mode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// As it should be.
    Fine,
    /// Usable, but the operator should know: its group can read a secret.
    WorthALook,
    /// Not to be used: says who can do what, with the mode.
    Refused(String),
}

const READ: u32 = 0o044;
const WRITE: u32 = 0o022;
const GROUP: u32 = 0o070;
const OTHERS: u32 = 0o007;

/// Judges a file that `holds` something by the permission bits of its `mode`.
pub(super) fn judge(mode: u32, holds: Holds) -> Verdict {
    if let Some(who) = who(mode & WRITE) {
        return Verdict::Refused(format!("can be written by {who} (mode {:04o})", mode & 0o7777));
    }
    let readers = who(mode & READ);
    match (holds, readers) {
        (Holds::Settings, _) | (_, None) => Verdict::Fine,
        (Holds::SettingsAndSecrets, Some(_)) if mode & READ & OTHERS == 0 => Verdict::WorthALook,
        (_, Some(who)) => Verdict::Refused(format!("can be read by {who} (mode {:04o})", mode & 0o7777)),
    }
}

/// The command that makes the file `path` acceptable.
pub(super) fn fix(path: &Path) -> String {
    format!("chmod 600 {}", shown(path))
}

fn who(bits: u32) -> Option<&'static str> {
    match (bits & GROUP != 0, bits & OTHERS != 0) {
        (false, false) => None,
        (true, false) => Some("its group"),
        (false, true) => Some("others"),
        (true, true) => Some("its group and others"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(mode: u32, holds: Holds) -> Option<String> {
        match judge(mode, holds) {
            Verdict::Refused(problem) => Some(problem),
            _ => None,
        }
    }

    #[test]
    fn what_others_can_write_is_refused_whatever_it_holds() {
        for holds in [Holds::Settings, Holds::SettingsAndSecrets, Holds::Secret] {
            assert_eq!(refusal(0o100_660, holds).as_deref(), Some("can be written by its group (mode 0660)"));
            assert_eq!(refusal(0o602, holds).as_deref(), Some("can be written by others (mode 0602)"));
            assert_eq!(refusal(0o777, holds).as_deref(), Some("can be written by its group and others (mode 0777)"));
        }
    }

    #[test]
    fn settings_may_be_read_by_all() {
        assert_eq!(judge(0o644, Holds::Settings), Verdict::Fine);
    }

    #[test]
    fn a_secret_among_settings_may_be_read_by_the_group_but_not_silently() {
        assert_eq!(judge(0o600, Holds::SettingsAndSecrets), Verdict::Fine);
        assert_eq!(judge(0o640, Holds::SettingsAndSecrets), Verdict::WorthALook);
        assert_eq!(
            refusal(0o644, Holds::SettingsAndSecrets).as_deref(),
            Some("can be read by its group and others (mode 0644)")
        );
        assert_eq!(refusal(0o604, Holds::SettingsAndSecrets).as_deref(), Some("can be read by others (mode 0604)"));
    }

    #[test]
    fn a_secrets_own_file_is_for_its_owner_alone() {
        assert_eq!(judge(0o400, Holds::Secret), Verdict::Fine);
        assert_eq!(judge(0o700, Holds::Secret), Verdict::Fine);
        assert_eq!(refusal(0o640, Holds::Secret).as_deref(), Some("can be read by its group (mode 0640)"));
    }
}
