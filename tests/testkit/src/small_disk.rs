//! A small file system in memory, to be filled, short of inodes, or read-only.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A mounted tmpfs; dropping it unmounts it.
pub struct SmallDisk {
    folder: PathBuf,
}

impl SmallDisk {
    /// Mounts a tmpfs with `options` (tmpfs(5)) over the existing folder. Panics without root's rights: no other test
    /// covers what this one shows.
    pub fn over(folder: &Path, options: &str) -> SmallDisk {
        assert!(
            rustix::process::geteuid().is_root(),
            "this test mounts a file system, which only root may do: run the tests as root"
        );
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(folder).status().unwrap();
        assert!(
            mounted.success(),
            "a tmpfs cannot be mounted over {}: is this a container without the right to mount?",
            folder.display()
        );
        SmallDisk { folder: folder.to_owned() }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a server may still have a file open.
        let unmounted = Command::new("umount").arg("--lazy").arg(&self.folder).status();
        assert!(unmounted.is_ok_and(|status| status.success()) || std::thread::panicking(), "a tmpfs stays mounted");
    }
}
