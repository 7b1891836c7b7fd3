//! Servers that echo requests, including the secrets in them.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD};
use testkit::servers::listener::serve;

use super::leaks::forms;

struct Request {
    /// Path and query.
    target: String,
    /// As received, and decoded.
    authorization: String,
    body: String,
}

fn read_request(stream: &TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let target = line.split(' ').nth(1)?.to_owned();
    let (mut length, mut authorization) = (0, String::new());
    loop {
        line.clear();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().ok()?,
            "authorization" => {
                let pair = value.trim_start_matches("Basic ");
                let decoded = BASE64_STANDARD.decode(pair).map(|pair| String::from_utf8_lossy(&pair).into_owned());
                authorization = format!("{pair} {}", decoded.unwrap_or_default());
            }
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Request { target, authorization, body: String::from_utf8_lossy(&body).into_owned() })
}

/// A web server (and webhook) without TLS.
pub(crate) struct HttpEcho {
    pub(crate) port: u16,
    bodies: Arc<Mutex<Vec<String>>>,
}

impl HttpEcho {
    /// Responds to every request with `status`, and echoes the request in the headers and the page.
    pub(crate) fn start(status: u16) -> HttpEcho {
        let bodies = Arc::new(Mutex::new(Vec::new()));
        let received = Arc::clone(&bodies);
        let port = serve(move |mut stream| {
            while let Some(request) = read_request(&stream) {
                let page = format!("no {0} for {1} ({0:?})", request.target, request.authorization);
                let reply = format!(
                    "HTTP/1.1 {status} {0}\r\nContent-Type: text/html; for={0} {1}\r\nLocation: {0}\r\n\
                     WWW-Authenticate: Basic realm=\"{0}\"\r\nContent-Length: {2}\r\n\r\n{page}",
                    request.target,
                    request.authorization,
                    page.len()
                );
                received.lock().unwrap().push(request.body);
                if stream.write_all(reply.as_bytes()).is_err() {
                    return;
                }
            }
        });
        HttpEcho { port, bodies }
    }

    pub(crate) fn bodies(&self) -> Vec<String> {
        self.bodies.lock().unwrap().clone()
    }
}

/// A mail server without TLS that refuses the login (`535`) or, if `accepts_login`, the recipient (`550`), and replies with
/// the password in every form. Returns the port.
pub(crate) fn smtp_echo(password: &'static str, accepts_login: bool) -> u16 {
    serve(move |stream| drop(converse(&stream, password, accepts_login)))
}

fn converse(stream: &TcpStream, password: &str, accepts_login: bool) -> std::io::Result<()> {
    let mut output = stream;
    let refuse = |code: u16, received: &str| {
        let mut echoes = forms(password);
        echoes.push(received.to_owned());
        echoes.extend(["", "u", "us"].map(|before| BASE64_STANDARD_NO_PAD.encode(format!("{before}{password}!"))));
        let lines: Vec<String> = echoes.iter().map(|form| format!("{code}-{form}\r\n")).collect();
        format!("{}{code} end\r\n", lines.concat())
    };
    output.write_all(b"220 echo\r\n")?;
    for line in BufReader::new(stream).lines() {
        let line = line?;
        let reply = match line.split(' ').next().unwrap_or("") {
            "EHLO" => "250-echo\r\n250 AUTH PLAIN\r\n".to_owned(),
            "AUTH" if accepts_login => "235 welcome\r\n".to_owned(),
            "AUTH" => refuse(535, &line),
            "RCPT" => refuse(550, &line),
            "QUIT" => "221 bye\r\n".to_owned(),
            _ => "250 ok\r\n".to_owned(),
        };
        output.write_all(reply.as_bytes())?;
    }
    Ok(())
}
