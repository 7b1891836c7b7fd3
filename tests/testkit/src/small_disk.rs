//! A small file system in memory, for tests of full or read-only disks.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A mounted tmpfs; dropping it unmounts it.
pub struct SmallDisk {
    folder: PathBuf,
}

impl SmallDisk {
    /// Mounts a tmpfs with `options` (tmpfs(5)) over an existing folder. Panics if not root, so that no test is skipped
    /// silently.
    pub fn over(folder: &Path, options: &str) -> SmallDisk {
        assert!(rustix::process::geteuid().is_root(), "this test mounts a file system: run the tests as root");
        let status = Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(folder).status().unwrap();
        assert!(
            status.success(),
            "mounting a tmpfs over {} fails: does this container lack the right to mount?",
            folder.display()
        );
        SmallDisk { folder: folder.to_owned() }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily, since a server may still have a file open.
        let status = Command::new("umount").arg("--lazy").arg(&self.folder).status();
        assert!(status.is_ok_and(|status| status.success()) || std::thread::panicking(), "a tmpfs cannot be unmounted");
    }
}
