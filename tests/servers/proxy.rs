//! The proxy, checked with plain sockets.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use testkit::servers::Proxy;
use testkit::servers::listener::{loopback, serve};

/// A server that echoes its input and, at the end of the stream, sends "bye".
fn echo() -> SocketAddr {
    loopback(serve(|mut stream| {
        let mut output = stream.try_clone().unwrap();
        if std::io::copy(&mut stream, &mut output).is_ok() {
            let _ = output.write_all(b"bye");
        }
    }))
}

fn connect(proxy: &Proxy) -> TcpStream {
    TcpStream::connect(loopback(proxy.port())).unwrap()
}

/// Sends `bytes` and the end of the stream, and returns the reply.
fn exchange(proxy: &Proxy, bytes: &[u8]) -> Vec<u8> {
    let mut stream = connect(proxy);
    let mut sending = stream.try_clone().unwrap();
    let mut reply = Vec::new();
    thread::scope(|scope| {
        scope.spawn(move || {
            let _ = sending.write_all(bytes);
            let _ = sending.shutdown(Shutdown::Write);
        });
        let _ = stream.read_to_end(&mut reply);
    });
    reply
}

#[test]
fn a_proxy_forwards_everything_and_the_end_of_the_stream() {
    let sent: Vec<u8> = (0..3_000_000_u32).map(|index| (index % 251) as u8).collect();
    for round_trip in [0, 10] {
        let proxy = Proxy::builder(echo()).round_trip(Duration::from_millis(round_trip)).start();
        let reply = exchange(&proxy, &sent);
        assert!(reply.strip_suffix(b"bye") == Some(&sent), "{} bytes returned", reply.len());
        assert_eq!((proxy.bytes_upstream(), proxy.bytes_downstream()), (3_000_000, 3_000_003));
    }
}

#[test]
fn connecting_and_each_reply_take_a_round_trip() {
    let proxy = Proxy::builder(echo()).round_trip(Duration::from_millis(100)).start();
    let mut stream = connect(&proxy);
    for expected in [200, 100, 100] {
        let started = Instant::now();
        stream.write_all(b"x").unwrap();
        stream.read_exact(&mut [0]).unwrap();
        let elapsed = started.elapsed();
        assert!(elapsed >= Duration::from_millis(expected), "{elapsed:?}");
        assert!(elapsed < Duration::from_millis(expected + 60), "{elapsed:?}");
    }
}

#[test]
fn latency_does_not_limit_throughput() {
    let proxy = Proxy::builder(echo()).round_trip(Duration::from_millis(100)).start();
    let started = Instant::now();
    assert_eq!(exchange(&proxy, &vec![0; 20_000_000]).len(), 20_000_003);
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
}

#[test]
fn all_connections_share_the_bandwidth_limit() {
    let proxy = Proxy::builder(echo()).bytes_per_second(2_000_000).start();
    let started = Instant::now();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert_eq!(exchange(&proxy, &vec![0; 500_000]).len(), 500_003));
        }
    });
    let elapsed = started.elapsed().as_secs_f64();
    assert!((0.9..1.4).contains(&elapsed), "{elapsed} s for 2 MB each way");
}

#[test]
fn connections_are_cut_once_after_the_given_bytes() {
    for round_trip in [0, 10] {
        let builder = Proxy::builder(echo()).round_trip(Duration::from_millis(round_trip));
        let proxy = builder.cut_after(100_000).start();
        let mut idle = connect(&proxy);
        idle.write_all(b"x").unwrap();
        idle.read_exact(&mut [0]).unwrap();
        assert!(exchange(&proxy, &vec![0; 200_000]).len() < 100_000 + 3);
        assert_eq!(proxy.bytes_upstream(), 100_000);
        assert_eq!(idle.read(&mut [0]).unwrap_or(0), 0, "every connection is closed");
        assert_eq!(exchange(&proxy, &vec![0; 200_000]).len(), 200_003, "later connections are not cut");
    }
}

#[test]
fn a_dropped_proxy_closes_its_connections_and_its_port() {
    let proxy = Proxy::builder(echo()).round_trip(Duration::from_millis(10)).start();
    let port = proxy.port();
    let mut stream = connect(&proxy);
    stream.write_all(b"x").unwrap();
    stream.read_exact(&mut [0]).unwrap();
    drop(proxy);
    assert_eq!(stream.read(&mut [0]).unwrap_or(0), 0);
    assert!(TcpStream::connect(loopback(port)).is_err());
}
