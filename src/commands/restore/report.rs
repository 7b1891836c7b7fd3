//! The output of `restore`: the file, the dump in it, and the next command.

use std::time::Duration;

use crate::archive::PackedDump;
use crate::commands::recovery::{modification_time, rate_suffix};
use crate::rules::checksum::{Digest, hex};
use crate::rules::job_zone::JobZone;
use crate::rules::loading::{DumpFormat, LoadTarget};
use crate::rules::units::{duration, exact_size, size};

pub(super) struct Restored<'a> {
    pub(super) path: &'a str,
    /// The archive's name.
    pub(super) archive: &'a str,
    /// In bytes.
    pub(super) archive_size: u64,
    pub(super) connections: usize,
    pub(super) took: Duration,
    /// With its SHA-256; `None` if the archive was not decrypted.
    pub(super) dump: Option<(&'a PackedDump, Digest)>,
    pub(super) next: Next<'a>,
}

pub(super) enum Next<'a> {
    /// The command that unpacks the archive.
    Unpack(&'a str),
    /// How to load the dump, if its format is recognised.
    Load(Option<DumpFormat>, LoadTarget<'a>),
}

/// Several lines, without a final newline.
pub(super) fn text(restored: &Restored<'_>, zone: &JobZone) -> String {
    let over =
        if restored.connections > 1 { format!(", over {} connections", restored.connections) } else { String::new() };
    let took = duration(restored.took);
    let rate = rate_suffix(Some(restored.archive_size), restored.took);
    let dump = restored.dump.map(|(dump, sha256)| {
        let (size, time, sha256) = (exact_size(dump.size), modification_time(dump, zone), hex(&sha256));
        format!("the dump       {size}, {time}\ndump's SHA-256 {sha256}")
    });
    let dump = dump
        .unwrap_or_else(|| "the dump       not decrypted; the archive has the SHA-256 of its checksum file".to_owned());
    let next = match restored.next {
        Next::Unpack(command) => format!("to unpack it   {command}"),
        Next::Load(Some(loading), target) => {
            let note = loading.note().map(|note| format!("\nnote           {note}")).unwrap_or_default();
            format!("made by        {}\nto load it     {}{note}", loading.tool(), loading.command(target))
        }
        Next::Load(None, _) => "made by        unknown: the format is not recognised".to_owned(),
    };
    format!(
        "restored       {}\nfrom           {}, {} in {took}{rate}{over}\n{dump}\n{next}",
        restored.path,
        restored.archive,
        size(restored.archive_size),
    )
}

#[cfg(test)]
mod tests {
    use chrono::FixedOffset;

    use super::*;

    #[test]
    fn the_restored_file_is_reported_with_the_next_command() {
        let modified = Some("2026-11-23T21:54:11Z".parse().unwrap());
        let dump = PackedDump { name: "dumpfile.sql".to_owned(), size: 12_582_912, modified };
        let text = |connections, next| {
            let restored = Restored {
                path: "/srv/restored/dumpfile.sql",
                archive: "20262311.tgz",
                archive_size: 3_400_000,
                connections,
                took: Duration::from_millis(1_250),
                dump: Some((&dump, [0xa5; 32])),
                next,
            };
            text(&restored, &JobZone::Fixed(FixedOffset::east_opt(3600).unwrap()))
        };
        let loading = DumpFormat::recognise(b"-- MySQL dump 10.13\n");
        let target = LoadTarget {
            file: "/srv/restored/dumpfile.sql",
            database: "restored_20261123",
            database_file: "/r/new.db",
            is_root: true,
        };
        let texts = [
            text(4, Next::Load(loading, target)),
            text(1, Next::Load(None, target)),
            text(1, Next::Unpack("tar -xzf /srv/r/20262311.tgz")),
        ];
        insta::assert_snapshot!(texts.join("\n\n"), @r"
        restored       /srv/restored/dumpfile.sql
        from           20262311.tgz, 3.24 MiB in 1.2 s, 2.59 MiB/s, over 4 connections
        the dump       12.00 MiB (12,582,912 bytes), modified 23 Nov 2026 22:54:11 +01:00
        dump's SHA-256 a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5
        made by        MySQL
        to load it     mysql -e 'CREATE DATABASE restored_20261123' && mysql restored_20261123 < /srv/restored/dumpfile.sql
        note           add -u USER -p to log in with a password

        restored       /srv/restored/dumpfile.sql
        from           20262311.tgz, 3.24 MiB in 1.2 s, 2.59 MiB/s
        the dump       12.00 MiB (12,582,912 bytes), modified 23 Nov 2026 22:54:11 +01:00
        dump's SHA-256 a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5
        made by        unknown: the format is not recognised

        restored       /srv/restored/dumpfile.sql
        from           20262311.tgz, 3.24 MiB in 1.2 s, 2.59 MiB/s
        the dump       12.00 MiB (12,582,912 bytes), modified 23 Nov 2026 22:54:11 +01:00
        dump's SHA-256 a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5
        to unpack it   tar -xzf /srv/r/20262311.tgz
        ");
    }
}
