//! The morning after the night: the commands that look at the archives, prove them and bring one back.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use console::style;

use crate::evidence::Finding;
use crate::stage::{DUMP, Stage};

/// The name that the program has on an operator's screen.
const NAME: &str = "scripting-system";

/// An SFTP server whose archives are looked at.
pub struct Place<'a> {
    /// What it is called in what is told.
    pub server: &'static str,
    /// The configuration that leads to it.
    pub config: &'a Path,
    /// Its folder, as it lies on this machine.
    pub destination: &'a Path,
    /// Where dumps are restored to.
    pub output: &'a Path,
}

/// The program, given one command after the other.
struct Morning<'a> {
    stage: &'a Stage,
    program: &'a Path,
    place: &'a Place<'a>,
    findings: Vec<Finding>,
}

/// Shows what an operator does with what the night has left at `place`. Gives all that was checked.
pub fn show(stage: &Stage, program: &Path, place: &Place<'_>) -> Result<Vec<Finding>, Box<dyn Error>> {
    let mut morning = Morning { stage, program, place, findings: Vec::new() };
    morning.ask("check", &[], 0, "check finds everything that a run needs")?;
    morning.ask("list", &[], 0, "list shows the archives")?;
    let listed = morning.ask("list", &["--json"], 0, "list --json ends with 0")?;
    let listed: serde_json::Value = serde_json::from_slice(&listed.stdout)?;
    morning.note("list --json is JSON and names the archive", listed.to_string().contains(&stage.archive));
    morning.ask("status", &["--max-age", "26h", "--min-size", "1MB"], 0, "status is OK")?;
    morning.ask("verify", &["--all"], 0, "verify --all finds every archive good")?;
    morning.bring_back()?;
    morning.drill()?;
    Ok(morning.findings)
}

/// Has the program do the night's work once more, with `place` to send to.
pub fn show_night(stage: &Stage, program: &Path, place: &Place<'_>) -> Result<Vec<Finding>, Box<dyn Error>> {
    let mut morning = Morning { stage, program, place, findings: Vec::new() };
    morning.ask("run", &[], 0, "the run ends with 0")?;
    let archive = fs::read(place.destination.join(&stage.archive)).unwrap_or_default();
    morning.note("the archive is there", !archive.is_empty());
    Ok(morning.findings)
}

/// Shows what needs no server at `place`: the schema, what a shell completes with, the manual.
pub fn show_papers(stage: &Stage, program: &Path, place: &Place<'_>) -> Result<Vec<Finding>, Box<dyn Error>> {
    let mut morning = Morning { stage, program, place, findings: Vec::new() };
    for (arguments, claim) in [
        (vec!["gen-config", "--schema"], "gen-config --schema prints the schema"),
        (vec!["completions", "bash"], "completions prints what bash completes with"),
        (vec!["man"], "man prints the manual page"),
    ] {
        let output = morning.call(&arguments)?;
        println!("{} lines", String::from_utf8_lossy(&output.stdout).lines().count());
        morning.note(claim, output.status.success() && !output.stdout.is_empty());
    }
    Ok(morning.findings)
}

impl Morning<'_> {
    /// Brings last night's dump back.
    fn bring_back(&mut self) -> Result<(), Box<dyn Error>> {
        let output = self.place.output;
        let path = output.to_string_lossy().into_owned();
        self.ask("restore", &["--latest", "--output", &path], 0, "restore --latest ends with 0")?;
        let restored = fs::read(output.join(DUMP)).unwrap_or_default();
        self.note("what was restored is the dump, byte for byte", restored == self.stage.dump.content);
        let modified = fs::metadata(output.join(DUMP)).and_then(|metadata| metadata.modified()).ok();
        self.note("it has the dump's time", modified == Some(self.stage.dump.modified.into()));
        Ok(())
    }

    /// A bit of last night's archive turns over on the server.
    fn drill(&mut self) -> Result<(), Box<dyn Error>> {
        let archive = self.place.destination.join(&self.stage.archive);
        let good = fs::read(&archive)?;
        let mut bad = good.clone();
        let middle = bad.len() / 2;
        bad[middle] ^= 1;
        fs::write(&archive, bad)?;
        println!("\nOne bit of {} turns over on the server.", self.stage.archive);
        self.ask("verify", &[], 4, "verify finds the bit")?;
        let output = self.place.output.join("refused");
        let path = output.to_string_lossy().into_owned();
        self.ask("restore", &["--latest", "--output", &path], 4, "restore refuses the archive")?;
        let left = fs::read_dir(&output).map_or(0, Iterator::count);
        self.note("it leaves nothing behind", left == 0);
        fs::write(&archive, good)?;
        Ok(())
    }

    /// Gives the command with the stage's configuration, shows what it says, and notes whether it ends with `code`.
    fn ask(&mut self, command: &str, further: &[&str], code: i32, claim: &str) -> Result<Output, Box<dyn Error>> {
        let config = self.place.config.to_string_lossy().into_owned();
        let arguments: Vec<&str> = [command, "--config", &config].into_iter().chain(further.iter().copied()).collect();
        let output = self.call(&arguments)?;
        for text in [&output.stdout, &output.stderr] {
            print!("{}", String::from_utf8_lossy(text));
        }
        self.note(claim, output.status.code() == Some(code));
        Ok(output)
    }

    fn call(&self, arguments: &[&str]) -> Result<Output, Box<dyn Error>> {
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
