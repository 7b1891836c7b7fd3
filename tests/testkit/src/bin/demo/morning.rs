//! The commands of an operator after the run: list, verify and restore the archives.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use console::style;
use testkit::night::DUMP;

use crate::evidence::Finding;
use crate::stage::Stage;

const NAME: &str = "scripting-system";

/// An SFTP server and the configuration for it.
pub(crate) struct Place<'a> {
    /// Its name in the output.
    pub server: &'static str,
    pub config: &'a Path,
    /// The archive folder on this machine.
    pub destination: &'a Path,
    /// The folder for restored dumps.
    pub output: &'a Path,
}

struct Morning<'a> {
    stage: &'a Stage,
    program: &'a Path,
    place: &'a Place<'a>,
    findings: Vec<Finding>,
}

/// Shows what an operator can do with the archives at `place`, and returns everything that was checked.
pub(crate) fn show(stage: &Stage, program: &Path, place: &Place<'_>) -> Result<Vec<Finding>, Box<dyn Error>> {
    let mut morning = Morning { stage, program, place, findings: Vec::new() };
    morning.call("check", &[], 0, "check finds everything that a run needs")?;
    morning.call("list", &[], 0, "list shows the archives")?;
    let listed = morning.call("list", &["--json"], 0, "list --json ends with 0")?;
    let listed: serde_json::Value = serde_json::from_slice(&listed.stdout)?;
    morning.note("list --json is JSON and names the archive", listed.to_string().contains(&stage.archive));
    morning.call("status", &["--max-age", "26h", "--min-size", "1MB"], 0, "status is OK")?;
    morning.call("verify", &["--all"], 0, "verify --all finds every archive good")?;
    morning.restore()?;
    morning.drill()?;
    Ok(morning.findings)
}

/// Repeats the run with `place` as the destination.
pub(crate) fn show_night(stage: &Stage, program: &Path, place: &Place<'_>) -> Result<Vec<Finding>, Box<dyn Error>> {
    let mut morning = Morning { stage, program, place, findings: Vec::new() };
    morning.call("run", &[], 0, "the run ends with 0")?;
    let archive = fs::read(place.destination.join(&stage.archive)).unwrap_or_default();
    morning.note("the archive is there", !archive.is_empty());
    Ok(morning.findings)
}

/// Shows what needs no server: the schema, the shell completions and the manual page.
pub(crate) fn show_documents(stage: &Stage, program: &Path, place: &Place<'_>) -> Result<Vec<Finding>, Box<dyn Error>> {
    let mut morning = Morning { stage, program, place, findings: Vec::new() };
    for (arguments, claim) in [
        (vec!["gen-config", "--schema"], "gen-config --schema prints the schema"),
        (vec!["completions", "bash"], "completions prints the completions for bash"),
        (vec!["man"], "man prints the manual page"),
    ] {
        let output = morning.run(&arguments)?;
        println!("{} lines", String::from_utf8_lossy(&output.stdout).lines().count());
        morning.note(claim, output.status.success() && !output.stdout.is_empty());
    }
    Ok(morning.findings)
}

impl Morning<'_> {
    fn restore(&mut self) -> Result<(), Box<dyn Error>> {
        let output = self.place.output;
        let path = output.to_string_lossy().into_owned();
        self.call("restore", &["--latest", "--output", &path], 0, "restore --latest ends with 0")?;
        let restored = fs::read(output.join(DUMP)).unwrap_or_default();
        self.note("the restored file is the dump, byte for byte", restored == *self.stage.dump.content);
        let modified = fs::metadata(output.join(DUMP)).and_then(|metadata| metadata.modified()).ok();
        self.note("it has the dump's modification time", modified == Some(self.stage.dump.modified.into()));
        Ok(())
    }

    /// Flips one bit of the archive on the server: `verify` and `restore` must both refuse it.
    fn drill(&mut self) -> Result<(), Box<dyn Error>> {
        let archive = self.place.destination.join(&self.stage.archive);
        let good = fs::read(&archive)?;
        let mut bad = good.clone();
        let middle = bad.len() / 2;
        bad[middle] ^= 1;
        fs::write(&archive, bad)?;
        println!("\nOne bit of {} flips on the server.", self.stage.archive);
        self.call("verify", &[], 4, "verify finds the flipped bit")?;
        let output = self.place.output.join("refused");
        let path = output.to_string_lossy().into_owned();
        self.call("restore", &["--latest", "--output", &path], 4, "restore refuses the archive")?;
        let left = fs::read_dir(&output).map_or(0, Iterator::count);
        self.note("it leaves no file behind", left == 0);
        fs::write(&archive, good)?;
        Ok(())
    }

    /// Runs the command with the place's configuration, prints its output, and notes whether it exits with `code`.
    fn call(&mut self, command: &str, further: &[&str], code: i32, claim: &str) -> Result<Output, Box<dyn Error>> {
        let config = self.place.config.to_string_lossy().into_owned();
        let arguments: Vec<&str> = [command, "--config", &config].into_iter().chain(further.iter().copied()).collect();
        let output = self.run(&arguments)?;
        for text in [&output.stdout, &output.stderr] {
            print!("{}", String::from_utf8_lossy(text));
        }
        self.note(claim, output.status.code() == Some(code));
        Ok(output)
    }

    fn run(&self, arguments: &[&str]) -> Result<Output, Box<dyn Error>> {
        println!("\n{}", style(format!("$ {NAME} {}", arguments.join(" "))).bold());
        Command::new(self.program)
            .args(arguments)
            .env_remove("SSH_AUTH_SOCK")
            .stdin(Stdio::null())
            .output()
            .map_err(|error| format!("Cannot start {}: {error}", self.program.display()).into())
    }

    fn note(&mut self, claim: &str, holds: bool) {
        let claim = format!("{}: {claim}", self.place.server);
        self.findings.push(Finding { claim, holds });
    }
}
