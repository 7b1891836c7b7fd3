//! Unpacks archives by this program, by other tools, and with one defect each.

use std::fs;
use std::io::{self, Read, Write, sink};
use std::process::Command;

use chrono::DateTime;
use flate2::Compression;
use flate2::write::GzEncoder;
use scripting_system::archive::{ArchiveError, PackedDump, unpack};
use scripting_system::runtime::interrupt::{Interrupt, Interruption};
use tar::{Builder, EntryType, Header};

const NAME: &str = "dump.sql";
const MODIFIED: u64 = 1_795_000_000;

/// A tar with `members`, each with type, name and content.
fn tar_of(members: &[(EntryType, &str, &[u8])]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for (kind, name, content) in members {
        let mut header = Header::new_gnu();
        header.set_entry_type(*kind);
        header.set_size(content.len() as u64);
        header.set_mtime(MODIFIED);
        if matches!(kind, EntryType::Symlink | EntryType::Link) {
            builder.append_link(&mut header, name, "elsewhere").unwrap();
        } else {
            // The builder would refuse some of the names.
            header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
            header.set_cksum();
            builder.append(&header, *content).unwrap();
        }
    }
    builder.into_inner().unwrap()
}

fn good_tar() -> Vec<u8> {
    tar_of(&[(EntryType::Regular, NAME, &[b'x'; 2_000])])
}

fn unpacked(archive: &[u8]) -> Result<(PackedDump, Vec<u8>), String> {
    unpack(archive, Some(NAME), &Interrupt::new(), |_| Ok(Vec::new())).map_err(|error| error.to_string())
}

#[track_caller]
fn assert_good(archive: &[u8]) {
    let (dump, content) = unpacked(archive).unwrap();
    assert_eq!(
        dump,
        PackedDump { name: NAME.to_owned(), size: 2_000, modified: DateTime::from_timestamp(MODIFIED as i64, 0) }
    );
    assert_eq!(content, [b'x'; 2_000]);
}

#[track_caller]
fn assert_bad(archive: &[u8], problem: &str) {
    assert_eq!(unpacked(archive).map(|_| ()), Err(problem.to_owned()));
}

fn gzipped(content: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::new(6));
    gzip.write_all(content).unwrap();
    gzip.finish().unwrap()
}

#[test]
fn a_gzip_file_may_have_one_member_or_many() {
    let tar = good_tar();
    assert_good(&gzipped(&tar));
    // Split as by pigz and this program, and in the middle of a header.
    for length in [1, 100, 512, 700] {
        assert_good(&tar.chunks(length).flat_map(gzipped).collect::<Vec<_>>());
    }
}

#[test]
fn archives_of_other_tools_are_read() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(NAME), [b'x'; 2_000]).unwrap();
    let status =
        Command::new("touch").arg("-d").arg(format!("@{MODIFIED}")).arg(folder.path().join(NAME)).status().unwrap();
    assert!(status.success());
    for command in [
        "tar -czf a.tgz dump.sql",
        "tar -czf a.tgz ./dump.sql",
        "tar -czf a.tgz -C / \"$PWD/dump.sql\" --transform 's,.*/,,'",
        "tar --format=posix -czf a.tgz dump.sql",
        "tar --format=ustar -czf a.tgz dump.sql",
        "tar --format=v7 -cf - dump.sql | gzip -1 > a.tgz",
        "tar -cf - dump.sql | split -b 700 --filter 'gzip -9' > a.tgz",
        "bsdtar -czf a.tgz dump.sql",
        "bsdtar --format pax -czf a.tgz ./dump.sql",
        "busybox tar -czf a.tgz dump.sql",
        "python3 -c 'import tarfile; t = tarfile.open(\"a.tgz\", \"w:gz\"); t.add(\"dump.sql\"); t.close()'",
    ] {
        let output = Command::new("sh").current_dir(folder.path()).args(["-ec", command]).output().unwrap();
        assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
        let archive = fs::read(folder.path().join("a.tgz")).unwrap();
        println!("{command}");
        assert_good(&archive);
    }
}

#[test]
fn a_tar_with_anything_but_the_dump_is_reported_with_its_contents() {
    let regular = EntryType::Regular;
    for (members, problem) in [
        (&[(regular, "other.sql", &b"x"[..])][..], "it holds \"other.sql\" instead of \"dump.sql\""),
        (&[(regular, "../dump.sql", b"x")], "it holds \"../dump.sql\", which is not the plain name of a file"),
        (&[(regular, NAME, b"")], "the dump in it, \"dump.sql\", is empty"),
        (&[(EntryType::Symlink, NAME, b"")], "it holds \"dump.sql\", which is a symbolic link, not a regular file"),
        (&[(EntryType::Link, NAME, b"")], "it holds \"dump.sql\", which is a hard link, not a regular file"),
        (&[(EntryType::Directory, "./", b"")], "it holds \"./\", which is a folder, not a regular file"),
        (
            &[(regular, NAME, b"x"), (regular, "b\n", b"y")],
            "it holds \"b\\n\" as well as \"dump.sql\"; an archive holds only one file",
        ),
        (
            &[(regular, NAME, b"x"), (EntryType::Symlink, "b", b"")],
            "it holds \"b\" as well as \"dump.sql\"; an archive holds only one file",
        ),
        (&[], "the tar in it holds no file"),
    ] {
        assert_bad(&gzipped(&tar_of(members)), problem);
    }
}

#[test]
fn a_sparse_file_is_refused_in_every_format() {
    let folder = tempfile::tempdir().unwrap();
    let file = fs::File::create(folder.path().join(NAME)).unwrap();
    file.set_len(3 << 20).unwrap();
    std::os::unix::fs::FileExt::write_at(&file, b"dump", 2 << 20).unwrap();
    for format in ["posix --sparse-version=0.0", "posix --sparse-version=0.1", "posix --sparse-version=1.0", "gnu"] {
        let command = format!("tar --sparse --format={format} -czf - {NAME}");
        let output = Command::new("sh").current_dir(folder.path()).args(["-ec", &command]).output().unwrap();
        assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
        let problem = unpacked(&output.stdout).map(|_| ()).unwrap_err();
        assert!(problem.contains("which is a special file") || problem.contains("instead of"), "{format}: {problem}");
    }
}

#[test]
fn huge_headers_are_not_read_into_memory() {
    let long = vec![b'n'; 2 << 20];
    for kind in [EntryType::GNULongName, EntryType::XHeader] {
        let before = tar_of(&[(kind, "long", &long), (EntryType::Regular, NAME, b"x")]);
        assert_bad(&gzipped(&before), "the tar in it is damaged at its beginning, or it is not a tar");
        let after = tar_of(&[(EntryType::Regular, NAME, b"x"), (kind, "long", &long)]);
        assert_bad(&gzipped(&after), "the tar in it is damaged after the dump");
    }
}

#[test]
fn a_damaged_or_truncated_tar_is_reported() {
    let tar = good_tar();
    let mut damaged = tar.clone();
    damaged[3] ^= 1;
    assert_bad(&gzipped(&damaged), "the tar in it is damaged at its beginning, or it is not a tar");
    assert_bad(&gzipped(&tar[..300]), "the tar in it is damaged at its beginning, or it is not a tar");
    for length in [512, 513, 2_511] {
        assert_bad(&gzipped(&tar[..length]), "the tar in it is truncated: the dump is shorter than its header says");
    }
    for length in [2_560, 3_072] {
        assert_bad(&gzipped(&tar[..length]), "the tar in it is truncated: its end is missing");
    }
    let mut other = tar.clone();
    other[2_560..3_072].fill(b'y');
    assert_bad(&gzipped(&other), "the tar in it is damaged after the dump");
    let mut more = tar;
    more.extend([vec![0; 512], vec![1; 512]].concat());
    assert_bad(&gzipped(&more), "the tar in it has more data after its end");
    assert_bad(&gzipped(b"no tar at all"), "the tar in it is damaged at its beginning, or it is not a tar");
}

#[test]
fn a_damaged_or_truncated_gzip_file_is_reported() {
    let archive = gzipped(&good_tar());
    assert_bad(b"", "it is empty");
    assert_bad(b"\0\0\0", "it is not a gzip file: it begins with \"\\0\\0\\0\"");
    for length in [1, 9, archive.len() / 2, archive.len() - 8, archive.len() - 1] {
        assert_bad(&archive[..length], &format!("it is truncated after {length} bytes"));
    }
    let behind = [&archive[..], b"more"].concat();
    let at = archive.len();
    assert_bad(&behind, &format!("the data from byte {at} on is not gzip: it begins with \"more\""));
    let mut checksum = archive;
    checksum[at - 8] ^= 1;
    assert_bad(
        &checksum,
        &format!(
            "its compressed data is damaged, at byte {at} or before: corrupt gzip stream does not have a matching checksum"
        ),
    );
}

#[test]
fn no_flipped_bit_results_in_another_dump() {
    let archive = gzipped(&good_tar());
    for (at, bit) in (0..archive.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
        let mut bad = archive.clone();
        bad[at] ^= 1 << bit;
        if let Ok((dump, content)) = unpacked(&bad) {
            assert_eq!((dump.size, content), (2_000, vec![b'x'; 2_000]), "byte {at}, bit {bit}");
        }
    }
}

#[test]
fn errors_of_reading_and_writing_are_not_blamed_on_the_archive() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("the line broke"))
        }
    }
    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::Error::other("the disk broke"))
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let archive = gzipped(&good_tar());
    let half = &archive[..archive.len() / 2];
    let read = unpack(half.chain(Broken), Some(NAME), &Interrupt::new(), |_| Ok(sink())).map(drop).unwrap_err();
    assert!(matches!(&read, ArchiveError::ReadBack(error) if error.to_string() == "the line broke"), "{read:?}");
    let write = unpack(archive.as_slice(), Some(NAME), &Interrupt::new(), |_| Ok(Broken)).map(drop).unwrap_err();
    assert!(matches!(&write, ArchiveError::WriteDump(error) if error.to_string() == "the disk broke"), "{write:?}");
    let interrupt = Interrupt::new();
    interrupt.trigger(Interruption::Sigint);
    let interrupted = unpack(archive.as_slice(), Some(NAME), &interrupt, |_| Ok(sink())).map(drop).unwrap_err();
    assert!(matches!(interrupted, ArchiveError::Interrupted(_)), "{interrupted:?}");
    assert!(![read, write, interrupted].iter().any(ArchiveError::is_bad_archive));
}
