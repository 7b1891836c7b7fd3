//! A TCP proxy that simulates latency and limited throughput.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a proxy that cannot start ends the trial")]

use std::error::Error;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use testkit::servers::Proxy;

/// Forward connections to a server over a simulated slow line
#[derive(Parser)]
struct Arguments {
    /// The server, as address:port
    #[arg(long)]
    to: SocketAddr,
    /// Port of 127.0.0.1 to listen on; 0 lets the system choose one
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Minimum time for a byte and its answer
    #[arg(long, default_value_t = 0)]
    round_trip_ms: u64,
    /// Bytes per second in each direction, for all connections together; unlimited by default
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    bytes_per_second: Option<u64>,
}

fn main() -> ExitCode {
    testkit::exit_code(run(&Arguments::parse()))
}

fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let mut builder =
        Proxy::builder(arguments.to).port(arguments.port).round_trip(Duration::from_millis(arguments.round_trip_ms));
    if let Some(rate) = arguments.bytes_per_second {
        builder = builder.bytes_per_second(rate);
    }
    let proxy = builder.try_start().map_err(|error| format!("Cannot listen on port {}: {error}", arguments.port))?;
    println!("Listening on 127.0.0.1:{}", proxy.port());
    Signals::new([SIGINT, SIGTERM])?.forever().next();
    println!("{} bytes to the server, {} bytes back.", proxy.bytes_upstream(), proxy.bytes_downstream());
    Ok(())
}
