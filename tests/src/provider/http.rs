//! Just enough of HTTP/1.1 for the provider, and the ways in which an answer can go wrong on the line.
//! Never keeps a connection for a second request.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

/// More than any prompt of a test.
const REQUEST_BYTES_MAX: usize = 16 << 20;

pub(super) struct Request {
    pub(super) method: String,
    pub(super) path: String,
    /// Names in lower case.
    headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Request {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// Reads a request to its end.
pub(super) fn read(stream: &mut TcpStream) -> io::Result<Request> {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        read_more(stream, &mut bytes)?;
    };
    let head = String::from_utf8_lossy(&bytes[..head_end]).into_owned();
    let mut lines = head.lines();
    let mut first = lines.next().unwrap_or_default().split(' ');
    let (method, path) = (first.next().unwrap_or_default(), first.next().unwrap_or_default());
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let mut request =
        Request { method: method.into(), path: path.into(), headers, body: Vec::new() };
    let length = request.header("content-length").and_then(|length| length.parse().ok());
    let end = head_end + 4 + length.unwrap_or(0_usize).min(REQUEST_BYTES_MAX);
    while bytes.len() < end {
        read_more(stream, &mut bytes)?;
    }
    request.body = bytes[head_end + 4..end].to_vec();
    Ok(request)
}

fn read_more(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> io::Result<()> {
    let mut buffer = [0; 16 << 10];
    match stream.read(&mut buffer)? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ if bytes.len() > REQUEST_BYTES_MAX => Err(io::ErrorKind::FileTooLarge.into()),
        count => {
            bytes.extend_from_slice(&buffer[..count]);
            Ok(())
        }
    }
}

/// Sends a whole answer.
pub(super) fn answer(
    stream: &mut TcpStream,
    status: u16,
    headers: &[String],
    body: &[u8],
) -> io::Result<()> {
    head(stream, status, headers, body.len())?;
    stream.write_all(body)?;
    stream.flush()
}

/// Says how long the answer is, sends half of it, and goes.
pub(super) fn cut(stream: &mut TcpStream, body: &[u8]) -> io::Result<()> {
    head(stream, 200, &[], body.len())?;
    stream.write_all(&body[..body.len() / 2])?;
    stream.flush()?;
    stream.shutdown(Shutdown::Both)
}

/// Sends the answer byte by byte.
pub(super) fn drip(stream: &mut TcpStream, body: &[u8], pause: Duration) -> io::Result<()> {
    head(stream, 200, &[], body.len())?;
    for byte in body {
        std::thread::sleep(pause);
        stream.write_all(&[*byte])?;
        stream.flush()?;
    }
    Ok(())
}

/// Says nothing until the other side has gone.
pub(super) fn wait_for_end(stream: &mut TcpStream) -> io::Result<()> {
    let mut buffer = [0; 64];
    while stream.read(&mut buffer)? > 0 {}
    Ok(())
}

fn head(stream: &mut TcpStream, status: u16, headers: &[String], length: usize) -> io::Result<()> {
    let reason = match status {
        200 => "OK",
        429 => "Too Many Requests",
        503 => "Service Unavailable",
        _ => "Status",
    };
    let mut head = format!(
        "HTTP/1.1 {status} {reason}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\
         connection: close\r\n"
    );
    for header in headers {
        head.push_str(header);
        head.push_str("\r\n");
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes())
}
