//! A TCP proxy on loopback that simulates latency, limited throughput and interruptions.
//!
//! Its threads mostly sleep, to leave the processor to the program that is measured.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use super::listener::{Connections, TcpServer, loopback};

const PIECE: usize = 64 * 1024;
/// Max. delayed pieces per direction of a connection: 64 MiB in total, or 100 ms of 640 MB/s.
const MAX_DELAYED: usize = 1024;
/// Max. duration of a piece on a limited line. The line catches up by at most one piece after a late wake-up, so that a
/// burst is at most two pieces long.
const PIECE_TIME: Duration = Duration::from_millis(10);

pub struct Builder {
    to: SocketAddr,
    port: u16,
    round_trip: Duration,
    bytes_per_second: Option<u64>,
    cut_after: Option<u64>,
    stalls: bool,
}

pub struct Proxy {
    server: TcpServer,
    line: Arc<Line>,
}

impl Proxy {
    /// Forwards every connection to `to`, by default without delay or limit.
    pub fn builder(to: SocketAddr) -> Builder {
        Builder { to, port: 0, round_trip: Duration::ZERO, bytes_per_second: None, cut_after: None, stalls: false }
    }

    pub fn port(&self) -> u16 {
        self.server.address.port()
    }

    pub fn bytes_upstream(&self) -> u64 {
        self.line.upstream.transmitted.load(Ordering::Relaxed)
    }

    pub fn bytes_downstream(&self) -> u64 {
        self.line.downstream.transmitted.load(Ordering::Relaxed)
    }
}

impl Builder {
    setters! { self;
        port(port: u16) { self.port = port; }
        /// Delays every byte by half of `round_trip` each way, and the start of a connection by all of it, as TCP's
        /// handshake would. It does not limit the throughput.
        round_trip(round_trip: Duration) { self.round_trip = round_trip; }
        /// Limits each direction, for all connections together.
        bytes_per_second(rate: u64) { self.bytes_per_second = Some(rate); }
        /// Closes every connection once the server has received `bytes` bytes in total. Later connections are not cut.
        cut_after(bytes: u64) { self.cut_after = Some(bytes); }
    }

    /// Once the server has received `bytes` bytes in total, forwards nothing more on the connection with the last of
    /// them, and leaves it open. Other connections continue.
    pub fn stall_after(mut self, bytes: u64) -> Builder {
        self.stalls = true;
        self.cut_after(bytes)
    }

    pub fn start(self) -> Proxy {
        self.try_start().expect("the port is free")
    }

    pub fn try_start(self) -> io::Result<Proxy> {
        let line = Arc::new(Line {
            to: self.to,
            round_trip: self.round_trip,
            stalls: self.stalls,
            upstream: Direction::new(self.bytes_per_second, self.cut_after),
            downstream: Direction::new(self.bytes_per_second, None),
        });
        let shared = Arc::clone(&line);
        let server = TcpServer::start(loopback(self.port), move |client, connections| {
            shared.connect(client, connections);
        })?;
        Ok(Proxy { server, line })
    }
}

struct Line {
    to: SocketAddr,
    round_trip: Duration,
    /// Whether a connection stalls instead of being cut.
    stalls: bool,
    upstream: Direction,
    downstream: Direction,
}

impl Line {
    /// Serves `client` until both sides have closed.
    fn connect(&self, client: TcpStream, connections: &Connections) {
        thread::sleep(self.round_trip);
        let Ok(server) = TcpStream::connect(self.to) else { return };
        if client.set_nodelay(true).and_then(|()| server.set_nodelay(true)).is_err() {
            return;
        }
        let (Some(client), Some(server)) = (connections.add(client), connections.add(server)) else { return };
        thread::scope(|scope| {
            for (direction, from, to) in [(&self.upstream, &client, &server), (&self.downstream, &server, &client)] {
                let forwarding = Forwarding { line: self, direction, connections, from, to };
                scope.spawn(move || forwarding.run());
            }
        });
    }
}

/// One direction of the line: its limits and its byte count.
struct Direction {
    bytes_per_second: Option<u64>,
    free_at: Mutex<Instant>,
    /// Bytes left before the cut.
    until_cut: Mutex<Option<u64>>,
    transmitted: AtomicU64,
}

impl Direction {
    fn new(bytes_per_second: Option<u64>, cut_after: Option<u64>) -> Direction {
        Direction {
            bytes_per_second,
            free_at: Mutex::new(Instant::now()),
            until_cut: Mutex::new(cut_after),
            transmitted: AtomicU64::new(0),
        }
    }

    fn piece(&self) -> usize {
        let limited = self.bytes_per_second.map(|rate| (rate as f64 * PIECE_TIME.as_secs_f64()) as usize);
        limited.map_or(PIECE, |piece| piece.clamp(1, PIECE))
    }

    /// Waits until the line has transmitted `count` bytes after all earlier ones.
    fn transmit(&self, count: usize) {
        let Some(rate) = self.bytes_per_second else { return };
        let now = Instant::now();
        let end = {
            let mut free_at = self.free_at.lock().unwrap();
            *free_at = (*free_at).max(now - PIECE_TIME) + Duration::from_secs_f64(count as f64 / rate as f64);
            *free_at
        };
        thread::sleep(end.saturating_duration_since(now));
    }

    /// How many of `count` bytes are transmitted, and whether the line is cut after them.
    fn before_cut(&self, count: usize) -> (usize, bool) {
        let mut until_cut = self.until_cut.lock().unwrap();
        match *until_cut {
            Some(left) if left <= count as u64 => {
                *until_cut = None;
                (left as usize, true)
            }
            Some(left) => {
                *until_cut = Some(left - count as u64);
                (count, false)
            }
            None => (count, false),
        }
    }
}

struct Forwarding<'a> {
    line: &'a Line,
    direction: &'a Direction,
    connections: &'a Connections,
    from: &'a TcpStream,
    to: &'a TcpStream,
}

impl Forwarding<'_> {
    /// Forwards one side's bytes and its end of stream. If one side breaks, the other is closed too.
    fn run(&self) {
        let delay = self.line.round_trip / 2;
        if delay.is_zero() {
            self.close_if_broken(self.receive(|piece| self.deliver(piece)).and_then(|()| self.end()));
            return;
        }
        let (sender, delayed) = mpsc::sync_channel::<(Instant, Vec<u8>)>(MAX_DELAYED);
        thread::scope(move |scope| {
            scope.spawn(move || {
                let delivered = delayed.iter().try_for_each(|(due, piece)| {
                    thread::sleep(due.saturating_duration_since(Instant::now()));
                    self.deliver(&piece)
                });
                self.close_if_broken(delivered.and_then(|()| self.end()));
            });
            self.close_if_broken(self.receive(|piece| {
                let sent = sender.send((Instant::now() + delay, piece.to_vec()));
                sent.map_err(|_| io::ErrorKind::BrokenPipe.into())
            }));
        });
    }

    fn receive(&self, mut forward: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        let (mut from, mut buffer) = (self.from, vec![0; self.direction.piece()]);
        loop {
            let count = from.read(&mut buffer)?;
            if count == 0 {
                return Ok(());
            }
            self.direction.transmit(count);
            forward(&buffer[..count])?;
        }
    }

    fn deliver(&self, piece: &[u8]) -> io::Result<()> {
        let (count, is_last) = self.direction.before_cut(piece.len());
        let mut to = self.to;
        to.write_all(&piece[..count])?;
        self.direction.transmitted.fetch_add(count as u64, Ordering::Relaxed);
        match is_last {
            false => Ok(()),
            true if self.line.stalls => self.stall(),
            true => {
                self.connections.close_all();
                Err(io::Error::other("the line is cut on purpose"))
            }
        }
    }

    /// Discards everything until the sender closes the connection.
    fn stall(&self) -> io::Result<()> {
        let mut from = self.from;
        io::copy(&mut from, &mut io::sink())?;
        Err(io::ErrorKind::ConnectionAborted.into())
    }

    fn end(&self) -> io::Result<()> {
        self.to.shutdown(Shutdown::Write)
    }

    fn close_if_broken(&self, result: io::Result<()>) {
        if result.is_err() {
            // Either side may have disconnected before.
            let _ = self.from.shutdown(Shutdown::Both);
            let _ = self.to.shutdown(Shutdown::Both);
        }
    }
}
