//! The paths to a configuration file that give the same job ID.

use std::fs;
use std::os::unix::fs::symlink;

use scripting_system::disk::job_id::JobId;

#[test]
fn every_path_to_a_folder_gives_the_same_id() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::create_dir(path("jobs")).unwrap();
    fs::write(path("jobs/a.json"), "").unwrap();
    symlink("jobs", path("link")).unwrap();
    let id = JobId::new(&path("jobs/a.json"));
    assert_eq!(JobId::new(&path("link/a.json")), id);
    assert_eq!(JobId::new(&path("jobs/../link/./a.json")), id);
    // An editor replaces the file.
    fs::rename(path("jobs/a.json"), path("old")).unwrap();
    assert_eq!(JobId::new(&path("jobs/a.json")), id);
    // A link to the file is another job.
    symlink("jobs/a.json", path("b.json")).unwrap();
    assert_ne!(JobId::new(&path("b.json")), id);
}

#[test]
fn an_updated_config_map_keeps_its_id() {
    let mount = tempfile::tempdir().unwrap();
    let path = |name: &str| mount.path().join(name);
    symlink("..data/config.json", path("config.json")).unwrap();
    symlink("..data/jobs", path("jobs")).unwrap();
    let ids = ["..2026_11_23_02_00_00.123", "..2026_11_24_02_00_00.456"].map(|generation| {
        fs::create_dir_all(path(generation).join("jobs")).unwrap();
        symlink(generation, path("..data_tmp")).unwrap();
        fs::rename(path("..data_tmp"), path("..data")).unwrap();
        ["config.json", "..data/config.json", "jobs/a.json"].map(|name| JobId::new(&path(name)))
    });
    assert_eq!(ids[0], ids[1]);
}
