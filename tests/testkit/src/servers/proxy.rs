//! A TCP proxy on loopback that simulates the line between two machines: long, slow, or interrupted.
//!
//! Its threads mostly sleep: a program measured through it needs the processor itself.

use std::collections::VecDeque;
use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, Weak};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::listener::loopback;

const PIECE: usize = 256 * 1024;
/// The maximum that is delayed per direction of a connection: 100 ms of 640 MB/s.
const HELD_BACK: usize = 64 * 1024 * 1024;
/// A limited line carries pieces of this duration, and catches up by as much after a late wake-up: no burst is longer
/// than two pieces.
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
    address: SocketAddr,
    line: Arc<Line>,
    accepting: Option<JoinHandle<()>>,
}

impl Proxy {
    /// A proxy that forwards every connection to `to`; by default without delay or limit.
    pub fn builder(to: SocketAddr) -> Builder {
        Builder { to, port: 0, round_trip: Duration::ZERO, bytes_per_second: None, cut_after: None, stalls: false }
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    pub fn bytes_upstream(&self) -> u64 {
        self.line.upstream.passed.load(Ordering::Relaxed)
    }

    pub fn bytes_downstream(&self) -> u64 {
        self.line.downstream.passed.load(Ordering::Relaxed)
    }
}

impl Builder {
    setters! { self;
        port(port: u16) { self.port = port; }
        /// Holds every byte back for half of `round_trip` each way, and the beginning of a connection for all of it, as
        /// TCP's handshake would. How much passes in a second stays unlimited.
        round_trip(round_trip: Duration) { self.round_trip = round_trip; }
        /// Limits each direction, all connections together.
        bytes_per_second(rate: u64) { self.bytes_per_second = Some(rate); }
        /// Closes every connection once `bytes` bytes in all were passed to the server. It does so once: connections
        /// that are made later stay.
        cut_after(bytes: u64) { self.cut_after = Some(bytes); }
    }

    /// Once `bytes` bytes in all were passed to the server, carries nothing more over the connection that brought the
    /// last of them, and leaves it open. It does so once: other connections go on.
    pub fn stall_after(mut self, bytes: u64) -> Builder {
        self.stalls = true;
        self.cut_after(bytes)
    }

    pub fn start(self) -> Proxy {
        self.try_start().expect("the port is free")
    }

    pub fn try_start(self) -> io::Result<Proxy> {
        let listener = TcpListener::bind(loopback(self.port))?;
        let address = listener.local_addr()?;
        let line = Arc::new(Line {
            to: self.to,
            round_trip: self.round_trip,
            stalls: self.stalls,
            upstream: Direction::new(self.bytes_per_second, self.cut_after),
            downstream: Direction::new(self.bytes_per_second, None),
            open: Mutex::new(Some(Vec::new())),
        });
        let accepting = thread::spawn({
            let line = Arc::clone(&line);
            move || accept(&listener, &line)
        });
        Ok(Proxy { address, line, accepting: Some(accepting) })
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(open) = self.line.open.lock().unwrap().take() {
            close(&open);
        }
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
    }
}

struct Line {
    to: SocketAddr,
    round_trip: Duration,
    /// Whether a connection stalls instead of being cut.
    stalls: bool,
    upstream: Direction,
    downstream: Direction,
    /// `None` once the proxy is stopped.
    open: Mutex<Option<Vec<Weak<Connection>>>>,
}

struct Connection {
    client: TcpStream,
    server: TcpStream,
}

fn accept(listener: &TcpListener, line: &Arc<Line>) {
    for client in listener.incoming() {
        if line.open.lock().unwrap().is_none() {
            return;
        }
        if let Ok(client) = client {
            let line = Arc::clone(line);
            thread::spawn(move || line.connect(client));
        }
    }
}

fn close(connections: &[Weak<Connection>]) {
    for connection in connections.iter().filter_map(Weak::upgrade) {
        connection.close();
    }
}

impl Connection {
    fn close(&self) {
        // Either side may have disconnected before.
        let _ = self.client.shutdown(Shutdown::Both);
        let _ = self.server.shutdown(Shutdown::Both);
    }
}

impl Line {
    /// Serves `client` until both sides have closed.
    fn connect(&self, client: TcpStream) {
        thread::sleep(self.round_trip);
        let Ok(server) = TcpStream::connect(self.to) else { return };
        if client.set_nodelay(true).and_then(|()| server.set_nodelay(true)).is_err() {
            return;
        }
        let connection = Arc::new(Connection { client, server });
        match &mut *self.open.lock().unwrap() {
            None => return,
            Some(open) => {
                open.retain(|connection| connection.strong_count() > 0);
                open.push(Arc::downgrade(&connection));
            }
        }
        let Connection { client, server } = &*connection;
        thread::scope(|scope| {
            for (direction, from, to) in [(&self.upstream, client, server), (&self.downstream, server, client)] {
                let passage = Passage { line: self, direction, connection: &connection, from, to };
                scope.spawn(move || passage.run());
            }
        });
    }

    fn cut(&self) -> io::Error {
        if let Some(open) = &*self.open.lock().unwrap() {
            close(open);
        }
        io::Error::other("the line is cut on purpose")
    }
}

/// One direction of the line: its limits and its byte count.
struct Direction {
    bytes_per_second: Option<u64>,
    free_at: Mutex<Instant>,
    /// Bytes that may still pass before the cut.
    until_cut: Mutex<Option<u64>>,
    passed: AtomicU64,
}

impl Direction {
    fn new(bytes_per_second: Option<u64>, cut_after: Option<u64>) -> Direction {
        Direction {
            bytes_per_second,
            free_at: Mutex::new(Instant::now()),
            until_cut: Mutex::new(cut_after),
            passed: AtomicU64::new(0),
        }
    }

    fn piece(&self) -> usize {
        let limited = self.bytes_per_second.map(|rate| (rate as f64 * PIECE_TIME.as_secs_f64()) as usize);
        limited.map_or(PIECE, |piece| piece.clamp(1, PIECE))
    }

    /// Waits until the line has carried `count` bytes after all earlier ones.
    fn carry(&self, count: usize) {
        let Some(rate) = self.bytes_per_second else { return };
        let now = Instant::now();
        let carried = {
            let mut free_at = self.free_at.lock().unwrap();
            *free_at = (*free_at).max(now - PIECE_TIME) + Duration::from_secs_f64(count as f64 / rate as f64);
            *free_at
        };
        thread::sleep(carried.saturating_duration_since(now));
    }

    /// The number of `count` bytes that may pass, and whether the line is cut after them.
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

struct Passage<'a> {
    line: &'a Line,
    direction: &'a Direction,
    connection: &'a Connection,
    from: &'a TcpStream,
    to: &'a TcpStream,
}

impl Passage<'_> {
    /// Forwards one side's bytes and its end of stream. If one side breaks, the other is closed too.
    fn run(&self) {
        let delay = self.line.round_trip / 2;
        if delay.is_zero() {
            self.close_if_broken(self.receive(|piece| self.deliver(piece)).and_then(|()| self.end()));
            return;
        }
        let held_back = HeldBack::default();
        thread::scope(|scope| {
            scope.spawn(|| {
                while let Some(piece) = held_back.next() {
                    if let Err(error) = self.deliver(&piece) {
                        held_back.end();
                        self.close_if_broken(Err(error));
                        return;
                    }
                }
                self.close_if_broken(self.end());
            });
            self.close_if_broken(self.receive(|piece| held_back.add(Instant::now() + delay, piece)));
            held_back.end();
        });
    }

    fn receive(&self, mut pass_on: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        let (mut from, mut buffer) = (self.from, vec![0; self.direction.piece()]);
        loop {
            let count = from.read(&mut buffer)?;
            if count == 0 {
                return Ok(());
            }
            self.direction.carry(count);
            pass_on(&buffer[..count])?;
        }
    }

    fn deliver(&self, piece: &[u8]) -> io::Result<()> {
        let (count, is_last) = self.direction.before_cut(piece.len());
        let mut to = self.to;
        to.write_all(&piece[..count])?;
        self.direction.passed.fetch_add(count as u64, Ordering::Relaxed);
        match is_last {
            false => Ok(()),
            true if self.line.stalls => self.stall(),
            true => Err(self.line.cut()),
        }
    }

    /// Discards everything until the sender gives up.
    fn stall(&self) -> io::Result<()> {
        let (mut from, mut lost) = (self.from, [0; 4096]);
        while from.read(&mut lost)? > 0 {}
        Err(io::ErrorKind::ConnectionAborted.into())
    }

    fn end(&self) -> io::Result<()> {
        self.to.shutdown(Shutdown::Write)
    }

    fn close_if_broken(&self, passed: io::Result<()>) {
        if passed.is_err() {
            self.connection.close();
        }
    }
}

/// Pieces that wait for their delivery time.
#[derive(Default)]
struct HeldBack {
    state: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    pieces: VecDeque<(Instant, Vec<u8>)>,
    bytes: usize,
    has_ended: bool,
}

impl HeldBack {
    /// Blocks while the queue is full.
    fn add(&self, due: Instant, piece: &[u8]) -> io::Result<()> {
        let piece = piece.to_vec();
        let state = self.state.lock().unwrap();
        let mut state = self.changed.wait_while(state, |state| !state.has_ended && state.bytes > HELD_BACK).unwrap();
        if state.has_ended {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        state.bytes += piece.len();
        state.pieces.push_back((due, piece));
        if state.pieces.len() == 1 {
            self.changed.notify_all();
        }
        Ok(())
    }

    /// The next piece, once it is due; `None` after the last one.
    fn next(&self) -> Option<Vec<u8>> {
        let state = self.state.lock().unwrap();
        let mut state = self.changed.wait_while(state, |state| !state.has_ended && state.pieces.is_empty()).unwrap();
        let was_full = state.bytes > HELD_BACK;
        let (due, piece) = state.pieces.pop_front()?;
        state.bytes -= piece.len();
        drop(state);
        if was_full {
            self.changed.notify_all();
        }
        thread::sleep(due.saturating_duration_since(Instant::now()));
        Some(piece)
    }

    fn end(&self) {
        self.state.lock().unwrap().has_ended = true;
        self.changed.notify_all();
    }
}
