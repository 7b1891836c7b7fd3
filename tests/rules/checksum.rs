//! Checksum files.

use scripting_system::rules::checksum::*;
use scripting_system::rules::origin::Mark;

const NAME: &str = "20262311.tgz.age";

#[test]
fn a_checksum_file_is_read_as_written_and_every_change_is_noticed() {
    let job = Mark::parse(b"f0671cb8b123bbfa").unwrap();
    let checksum = Checksum::new("db/dump\n.sql", job, [[1; 32], [2; 32]]);
    let text = checksum.text(NAME);
    assert!(text.ends_with(&format!("\n{}  {NAME}\n", "02".repeat(32))), "{text}");
    assert!(text.lines().rev().skip(1).all(|line| line.starts_with('#')), "{text}");
    assert_eq!(ChecksumFile::parse(text.as_bytes(), NAME), ChecksumFile::Valid(checksum));
    assert_eq!(ChecksumFile::parse(text.as_bytes(), "20262411.tgz.age"), ChecksumFile::Damaged);
    for (at, bit) in (0..text.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
        let mut changed = text.clone().into_bytes();
        changed[at] ^= 1 << bit;
        assert_eq!(ChecksumFile::parse(&changed, NAME).valid(), None, "byte {at}, bit {bit}");
    }
    for length in 0..text.len() {
        assert_eq!(ChecksumFile::parse(&text.as_bytes()[..length], NAME), ChecksumFile::Damaged, "{length}");
    }
    let foreign = format!("{}  {NAME}\n", hex(&[2; 32]));
    assert_eq!(ChecksumFile::parse(foreign.as_bytes(), NAME), ChecksumFile::Foreign);
}
