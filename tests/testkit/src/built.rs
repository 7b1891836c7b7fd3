//! The location of the program under test.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// `<target>/<profile>`, which contains the executables of tools, and those of tests in `deps`.
static PROFILE: LazyLock<PathBuf> = LazyLock::new(|| {
    let current = std::env::current_exe().expect("Linux knows the path of each process");
    let folder = current.parent().unwrap();
    let profile = if folder.ends_with("deps") { folder.parent().unwrap() } else { folder };
    let program = profile.join("scripting-system");
    assert!(program.exists(), "{} is missing: build it with `cargo build` in the same profile", program.display());
    profile.to_owned()
});

pub fn program() -> &'static Path {
    static PROGRAM: LazyLock<PathBuf> = LazyLock::new(|| PROFILE.join("scripting-system"));
    &PROGRAM
}

pub fn target_folder() -> &'static Path {
    PROFILE.parent().expect("a profile's folder is in the target folder")
}
