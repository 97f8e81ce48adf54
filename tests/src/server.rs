//! A service on loopback that behaves badly, over plain sockets: no library puts it right.
//! Hears heads of requests; knows nothing of what is under test.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// How it answers.
#[derive(Clone)]
pub enum Manner {
    /// With this text, as it is.
    Says(String),
    /// With its own request's head.
    Echoes,
    /// With a body that never ends, a byte every 50 ms.
    Drips,
    /// With a body that never ends, as fast as it is taken.
    Pours,
    /// Not at all.
    IsSilent,
}

/// A service.
pub struct Server {
    address: SocketAddr,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    heads: Mutex<Vec<String>>,
    open: AtomicUsize,
    most_alive: AtomicUsize,
}

impl Server {
    /// Starts one; it goes with the test's process.
    ///
    /// # Panics
    /// Where there is no port for it.
    pub fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port should be free");
        let address = listener.local_addr().expect("it should have an address");
        let state = Arc::new(State::default());
        let kept = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (manner, state) = (manner.clone(), Arc::clone(&kept));
                state.open.fetch_add(1, Ordering::SeqCst);
                state.most_alive.fetch_max(alive(address.port()), Ordering::SeqCst);
                thread::spawn(move || {
                    serve(stream, &manner, &state.heads);
                    state.open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self { address, state }
    }

    /// Its address as a manifest and a request name it.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The heads of the requests that it got so far.
    ///
    /// # Panics
    /// Where a thread of it did.
    pub fn heads(&self) -> Vec<String> {
        self.state.heads.lock().expect("no server should panic").clone()
    }

    /// How many connections at most were there for both sides when one of them came in. The system
    /// knows: it needs no thread of this service to notice that one has gone.
    pub fn most_alive(&self) -> usize {
        self.state.most_alive.load(Ordering::SeqCst)
    }

    /// How many connections are open.
    pub fn open(&self) -> usize {
        self.state.open.load(Ordering::SeqCst)
    }
}

/// How many connections to a port neither side has closed.
fn alive(port: u16) -> usize {
    const ESTABLISHED: &str = "01";
    let table = std::fs::read_to_string("/proc/net/tcp").expect("the system should know");
    let local = format!(":{port:04X}");
    let is_alive = |line: &&str| {
        let mut words = line.split_whitespace().skip(1);
        let is_local = words.next().is_some_and(|address| address.ends_with(&local));
        is_local && words.nth(1) == Some(ESTABLISHED)
    };
    table.lines().filter(is_alive).count()
}

/// Answers one request, and returns when its connection is closed.
fn serve(mut stream: TcpStream, manner: &Manner, heads: &Mutex<Vec<String>>) {
    let mut head = Vec::new();
    let mut bytes = [0; 4096];
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut bytes) {
            Ok(len @ 1..) => head.extend_from_slice(&bytes[..len]),
            _ => return,
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    heads.lock().expect("no server should panic").push(head.clone());
    let endless = "HTTP/1.1 200 OK\r\ncontent-length: 1000000000000\r\n\r\n";
    let _ = match manner {
        Manner::Says(text) => stream.write_all(text.as_bytes()),
        Manner::Echoes => {
            let length = head.len();
            write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{head}")
        }
        Manner::Drips | Manner::Pours => stream.write_all(endless.as_bytes()),
        Manner::IsSilent => Ok(()),
    };
    match manner {
        Manner::Drips => {
            while stream.write_all(b".").is_ok() {
                thread::sleep(Duration::from_millis(50));
            }
        }
        Manner::Pours => while stream.write_all(&[b'x'; 64 << 10]).is_ok() {},
        // Reads on, so that nothing unread turns the end into a reset.
        _ => {
            let _ = matches!(manner, Manner::Says(_) | Manner::Echoes)
                .then(|| stream.shutdown(std::net::Shutdown::Write));
            while stream.read(&mut bytes).is_ok_and(|len| len > 0) {}
        }
    }
}
