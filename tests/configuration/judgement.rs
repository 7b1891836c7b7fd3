//! Which owners, modes and groups of a file are trusted.

use std::path::{Path, PathBuf};

use proptest::prelude::*;
use scripting_system::rules::trust::{Contents, Step, StepKind, find_problems, is_private_group};

const USER: u32 = 1_000;

fn step(kind: StepKind, owner: u32, mode: u32) -> Step {
    let path = PathBuf::from("/etc/file");
    Step { path, kind, owner, mode, has_private_group: false, has_own_group: false, is_read_only: false }
}

fn is_refused(step: &Step, holds: Contents, user: u32) -> bool {
    !find_problems(std::slice::from_ref(step), Path::new("/etc/file"), holds, user).is_empty()
}

#[test]
fn a_file_is_judged_by_its_owner_mode_and_contents() {
    use Contents::{Secret, Settings};
    for (owner, mode, holds, user, refused) in [
        (0, 0o644, Settings, 0, false),
        (0, 0o644, Settings, USER, false),
        (USER, 0o644, Settings, USER, false),
        (USER, 0o644, Settings, 0, true),
        (USER + 1, 0o600, Settings, USER, true),
        (0, 0o664, Settings, 0, true),
        (0, 0o646, Settings, 0, true),
        (USER, 0o400, Secret, USER, false),
        (USER, 0o700, Secret, USER, false),
        (USER, 0o640, Secret, USER, true),
        (USER, 0o604, Secret, USER, true),
        (0, 0o640, Secret, 0, true),
        (0, 0o640, Secret, USER, true),
    ] {
        assert_eq!(is_refused(&step(StepKind::File, owner, mode), holds, user), refused, "{owner} {mode:o} {user}");
    }
}

#[test]
fn a_group_is_trusted_only_if_it_is_private_or_the_services_own() {
    let group_of_service = Step { has_own_group: true, ..step(StepKind::File, 0, 0o640) };
    assert!(!is_refused(&group_of_service, Contents::Secret, USER));
    assert!(
        is_refused(&Step { owner: USER, ..group_of_service.clone() }, Contents::Secret, USER),
        "the user's own group"
    );
    assert!(
        is_refused(&Step { mode: 0o660, ..group_of_service.clone() }, Contents::Secret, USER),
        "its other members can write"
    );
    assert!(is_refused(&Step { mode: 0o644, ..group_of_service }, Contents::Secret, USER));
    let private = Step { has_private_group: true, ..step(StepKind::File, USER, 0o664) };
    assert!(!is_refused(&private, Contents::Settings, USER));
    assert!(is_refused(&Step { mode: 0o666, ..private }, Contents::Settings, USER));
}

proptest! {
    #[test]
    fn files_that_others_can_write_are_refused_except_on_a_read_only_mount(
        kind in prop::sample::select(vec![StepKind::Folder, StepKind::File]),
        owner in 0_u32..3,
        mode in 0_u32..0o10_000,
        user in 0_u32..3,
        is_read_only: bool,
        has_private_group: bool,
    ) {
        let step = Step { is_read_only, has_private_group, ..step(kind, owner, mode) };
        let is_sticky_folder = kind == StepKind::Folder && mode & 0o1000 != 0;
        let others_write = mode & 0o002 != 0 || mode & 0o020 != 0 && !has_private_group;
        let expected = !is_read_only && ((owner != 0 && owner != user) || others_write && !is_sticky_folder);
        prop_assert_eq!(is_refused(&step, Contents::Settings, user), expected);
    }
}

#[test]
fn a_private_group_has_no_members_except_root_and_the_user() {
    let passwd = "root:x:0:0::/root:/bin/sh\nanna:x:1000:1000::/:/bin/sh\nbert:x:1001:1001::/:/bin/sh\ncarl:x:1002:100::/:/bin/sh\n";
    let groups = "root:x:0:\nanna:x:1000:\nbert:x:1001:anna\nusers:x:100:\nwheel:x:10:root,anna\nstaff:x:50:bert, anna\nldap:x:60:dora\nempty:x:70:\n\nbroken\n";
    for (group, is_private) in [
        (0, true),
        (1_000, true),
        (1_001, false),
        (100, false),
        (10, true),
        (50, false),
        // The group or its member has no account on this machine, and is unknown.
        (60, false),
        (61, false),
        (70, true),
    ] {
        assert_eq!(is_private_group(passwd, groups, group, USER), is_private, "{group}");
    }
    // Two entries with the same number are one group.
    assert!(!is_private_group(passwd, &format!("{groups}also:x:1000:bert\n"), 1_000, USER));
    assert!(!is_private_group("", "", 0, 0));
}
