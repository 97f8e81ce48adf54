//! The host's end of the socket: answers other processes while this one holds the directory.
//! One connection asks one thing. Never trusts a line's length or form.

use super::protocol::{Answer, Ask};
use crate::runner::Host;
use crate::runner::update::Update;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;

/// The longest question that is read.
pub(super) const LINE_BYTES_MAX: u64 = 16 << 20;

/// The socket's name in the data directory.
const SOCKET: &str = "socket";

/// Answers other processes until it is dropped.
pub struct Server {
    task: tokio::task::JoinHandle<()>,
    path: PathBuf,
    guests: watch::Receiver<usize>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
        // The next holder makes its own; a stale one is only in the way.
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Server {
    /// Begins to answer.
    ///
    /// # Errors
    /// Where the socket cannot be made.
    pub(super) fn start(host: Host) -> io::Result<Self> {
        let path = host.data_dir().join(SOCKET);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let folder = std::fs::File::open(host.data_dir())?;
        let listener = UnixListener::bind(short_path(&folder))?;
        let (count, guests) = watch::channel(0);
        let task = tokio::spawn(accept(listener, host, Arc::new(count)));
        Ok(Self { task, path, guests })
    }

    /// Waits until no other process follows a run here.
    pub async fn is_left_alone(&mut self) {
        // The sender lives as long as the task: an error means that nobody is left.
        let _ = self.guests.wait_for(|count| *count == 0).await;
    }

    /// How many other processes follow runs here.
    pub fn guests(&self) -> usize {
        *self.guests.borrow()
    }
}

/// The socket's path through an open folder: socket paths are at most 107 bytes long, and data
/// directories may be deeper.
pub(super) fn short_path(folder: &std::fs::File) -> PathBuf {
    Path::new("/proc/self/fd").join(folder.as_raw_fd().to_string()).join(SOCKET)
}

async fn accept(listener: UnixListener, host: Host, guests: Arc<watch::Sender<usize>>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let (host, guests) = (host.clone(), Arc::clone(&guests));
                tokio::spawn(async move {
                    // Who asked may leave at any time.
                    let _ = serve(stream, &host, &guests).await;
                });
            }
            // Out of descriptors, for example: others may be given back meanwhile.
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
        }
    }
}

async fn serve(stream: UnixStream, host: &Host, guests: &watch::Sender<usize>) -> io::Result<()> {
    let by = user_of(&stream);
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    BufReader::new(read.take(LINE_BYTES_MAX)).read_line(&mut line).await?;
    let ask: Ask = serde_json::from_str(&line)?;
    if let Ask::Follow { run } = ask {
        guests.send_modify(|count| *count += 1);
        let followed = follow(host, &run, &mut write).await;
        guests.send_modify(|count| *count -= 1);
        return followed;
    }
    send(&mut write, &host.answer(ask, &by).await).await
}

async fn follow(
    host: &Host,
    run: &str,
    write: &mut tokio::net::unix::OwnedWriteHalf,
) -> io::Result<()> {
    let id = match host.find_run(run) {
        Ok(id) => id,
        Err(refused) => return send(write, &Answer::Refused(refused)).await,
    };
    match host.follow(id).await {
        Err(failed) => send(write, &Answer::Refused(super::answer::refused(failed, run))).await,
        Ok(Err(summary)) => send(write, &Answer::Update(Box::new(Update::Rests(summary)))).await,
        Ok(Ok(mut following)) => {
            while let Some(update) = following.next().await {
                send(write, &Answer::Update(Box::new((*update).clone()))).await?;
            }
            Ok(())
        }
    }
}

async fn send(write: &mut tokio::net::unix::OwnedWriteHalf, answer: &Answer) -> io::Result<()> {
    let mut line = serde_json::to_vec(answer)?;
    line.push(b'\n');
    write.write_all(&line).await
}

/// Who asks, as the journal names them.
fn user_of(stream: &UnixStream) -> String {
    stream.peer_cred().map_or_else(|_| "unknown".into(), |peer| super::reach::user_name(peer.uid()))
}
