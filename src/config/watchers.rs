//! The sections `monitor` and `metrics`: who watches the job from outside.

use std::path::PathBuf;

use secrecy::{ExposeSecret as _, SecretString};

use crate::config::error::shown;
use crate::config::place::Place;
use crate::config::sections::{Metrics, Monitor};
use crate::config::values;
use crate::config::walk::{Fault, Section, Walk};

/// What node_exporter's textfile collector reads are the files whose names end so, and no others.
const TEXTFILE_EXTENSION: &str = "prom";

pub(super) fn monitor(top: &mut Section<'_>, walk: &mut Walk<'_>) -> Option<Monitor> {
    let mut section = top.optional_section(walk, "monitor")?;
    let place = walk.place;
    let ping_url =
        section.required_secret(walk, "ping_url", "the address that the monitoring service gives to its check");
    let ping_url = ping_url.and_then(|ping_url| walk.accept(section.path("ping_url"), ping_address(ping_url)));
    let ca_file = section.optional(walk, "ca_file", |text| place.certificates(text));
    section.finish(walk);
    Some(Monitor { ping_url: ping_url?, ca_file })
}

fn ping_address(secret: SecretString) -> Result<SecretString, Fault> {
    values::protected_address(secret.expose_secret()).map_err(|fault| fault.told("the address given"))?;
    Ok(secret)
}

pub(super) fn metrics(top: &mut Section<'_>, walk: &mut Walk<'_>) -> Option<Metrics> {
    let mut section = top.optional_section(walk, "metrics")?;
    let place = walk.place;
    let meaning = "a file in the folder that node_exporter's textfile collector reads";
    let textfile = section.required(walk, "textfile", meaning, |text| textfile(place, text));
    section.finish(walk);
    Some(Metrics { textfile: textfile? })
}

/// The file need not exist, nor its folder: a job that cannot write it goes on.
fn textfile(place: Place<'_>, text: &str) -> Result<PathBuf, Fault> {
    let path = place.path(text)?;
    if path.extension().is_none_or(|extension| extension != TEXTFILE_EXTENSION) {
        let fix = "name a file that ends with .prom: node_exporter reads no other";
        return Err(Fault::new(format!("{} does not end with .prom", shown(&path)), fix));
    }
    if path.is_dir() {
        return Err(Fault::new(format!("{} is a folder", shown(&path)), "name a file in it"));
    }
    Ok(path)
}
