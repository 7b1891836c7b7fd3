//! Serves a sample dump over HTTPS, to try the program without another web server.
//!
//! The first start creates the served folder with a sample ZIP, and a certificate. The certificate and its private key
//! are in a hidden folder next to the served one, out of reach of requests.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a server that cannot start ends the trial")]

use std::error::Error;
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use chrono::{DateTime, Local};
use clap::Parser;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use testkit::servers::certificates::DAYS_VALID;
use testkit::servers::{Authority, Entry, HttpsServer, Identity, Zip, zips};

const ZIP: &str = "my_zip.zip";
const DUMP: &str = "dumpfile.sql";
const SAMPLE_BYTES: usize = 8 * 1024 * 1024;

/// Serve a folder over HTTPS, with a sample ZIP to fetch from it
#[derive(Parser)]
struct Arguments {
    /// Port to listen on
    #[arg(long, default_value_t = 8000)]
    port: u16,
    /// Folder to serve; created on the first start
    #[arg(long, default_value = "Web_Server")]
    folder: PathBuf,
    /// Address to listen on
    #[arg(long, default_value = "127.0.0.1")]
    bind: IpAddr,
    /// Recreate the sample ZIP with a dump of today
    #[arg(long)]
    fresh: bool,
    /// Limit the speed of each file
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    bytes_per_second: Option<u64>,
    /// Ignore range requests: always send the whole file
    #[arg(long)]
    without_ranges: bool,
}

struct Trust {
    identity: Identity,
    ca_file: PathBuf,
}

fn main() -> ExitCode {
    testkit::exit_code(serve(&Arguments::parse()))
}

fn serve(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(&arguments.folder)
        .map_err(|error| format!("Cannot create the folder {}: {error}", arguments.folder.display()))?;
    let folder = arguments.folder.canonicalize()?;
    let trust = trust(&folder, &names(arguments.bind))?;
    let zip = folder.join(ZIP);
    if arguments.fresh || !zip.exists() {
        create_sample(&zip);
    }

    let address = SocketAddr::new(arguments.bind, arguments.port);
    let mut builder = HttpsServer::builder(&folder).address(address).identity(trust.identity).on_answer(|request| {
        let time = Local::now().format("%H:%M:%S");
        let range = request.range().unwrap_or("");
        println!("{time} {} {} {} {range}", request.status, request.method, request.target.escape_debug());
    });
    if let Some(rate) = arguments.bytes_per_second {
        builder = builder.bytes_per_second(rate);
    }
    if arguments.without_ranges {
        builder = builder.without_ranges();
    }
    let server = builder
        .try_start()
        .map_err(|error| format!("Cannot listen on {address}: {error}. Choose another port with --port."))?;

    let host = if arguments.bind.is_unspecified() { "localhost".to_owned() } else { format_address(arguments.bind) };
    let url = format!("https://{host}:{}/{ZIP}", server.port());
    let source = serde_json::json!({"url": url, "dump": DUMP, "ca_file": trust.ca_file});
    println!("Serving {} on https://{host}:{}/", folder.display(), server.port());
    println!("{}", describe(&zip)?);
    println!("\nFor the configuration:\n\n\"source\": {}\n", serde_json::to_string_pretty(&source)?);
    println!("Stop it with Ctrl-C.\n");

    Signals::new([SIGINT, SIGTERM])?.forever().next();
    println!("\n{} requests, {} bytes sent.", server.requests(), server.bytes_sent());
    Ok(())
}

/// Host names and addresses for the certificate.
fn names(bind: IpAddr) -> Vec<String> {
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let is_host_name =
        !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte));
    for name in [is_host_name.then_some(host), (!bind.is_unspecified()).then(|| bind.to_string())].into_iter().flatten()
    {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// Reuses the certificate of the last start unless it expires within 30 days or is for other names.
fn trust(folder: &Path, names: &[String]) -> Result<Trust, Box<dyn Error>> {
    let (Some(parent), Some(name)) = (folder.parent(), folder.file_name()) else {
        return Err(
            "Cannot serve the root of the file system: the private key needs a folder next to the served one.".into()
        );
    };
    let name = name.to_string_lossy();
    let tls_folder = parent.join(format!(".{name}-tls"));
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&tls_folder)?;
    let ca_file = tls_folder.join(format!("{name}.pem"));
    let (certificate, key, list) =
        (tls_folder.join("server.pem"), tls_folder.join("server.key"), tls_folder.join("names"));

    let days =
        fs::metadata(&certificate).and_then(|metadata| metadata.modified()?.elapsed().map_err(std::io::Error::other));
    let is_recent = days.is_ok_and(|age| age < Duration::from_secs((DAYS_VALID - 30) as u64 * 24 * 60 * 60));
    let is_for_names = fs::read_to_string(&list).is_ok_and(|known| known.lines().eq(names.iter().map(String::as_str)));
    if is_recent
        && is_for_names
        && ca_file.exists()
        && let Ok(identity) = Identity::read(&certificate, &key)
    {
        return Ok(Trust { identity, ca_file });
    }
    // The key of the authority is not saved, since it signs only this certificate.
    let authority = Authority::new(&format!("Authority of {name}"));
    let identity = authority.server(&names.iter().map(String::as_str).collect::<Vec<_>>());
    identity.write(&tls_folder, "server");
    fs::write(&ca_file, authority.pem())?;
    fs::write(&list, names.join("\n"))?;
    Ok(Trust { identity, ca_file })
}

fn create_sample(path: &Path) {
    let now = Local::now();
    let dump = Entry::new(DUMP, zips::sql_dump(SAMPLE_BYTES)).dos_time(now.naive_local()).extended_time(now.to_utc());
    Zip::new().with(dump).write(path);
}

/// A line with the time of the ZIP, and a hint if its dump is stale.
fn describe(zip: &Path) -> Result<String, Box<dyn Error>> {
    let created = DateTime::<Local>::from(fs::metadata(zip)?.modified()?);
    let hint = if created.date_naive() == Local::now().date_naive() { "" } else { "; recreate it with --fresh" };
    Ok(format!("{ZIP} was created at {}{hint}", created.format("%Y-%m-%d %H:%M:%S")))
}

fn format_address(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    }
}
