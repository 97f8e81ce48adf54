//! The host's end of the socket: answers other processes while this one holds the directory.
//! One connection asks one thing. Never trusts a line's length or form.

use super::protocol::{Answer, Ask};
use crate::runner::update::Update;
use crate::runner::{Host, Progress};
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{oneshot, watch};

/// The longest question that is read.
pub(super) const LINE_BYTES_MAX: u64 = 16 << 20;

/// The socket's name in the data directory.
const SOCKET: &str = "socket";

/// How long a process that has connected may take to ask.
const ASKED_WITHIN: Duration = Duration::from_secs(5);

/// How long a process that goes stays for those who have asked it: one of them may have been
/// stopped, and take no answer.
const ANSWERED_WITHIN: Duration = Duration::from_secs(60);

/// Answers other processes until it is dropped.
pub struct Server {
    task: tokio::task::JoinHandle<()>,
    path: PathBuf,
    /// Dropped to let no further process ask.
    is_open: Option<oneshot::Sender<()>>,
    /// How many wait for an answer.
    asking: watch::Receiver<usize>,
    /// How many follow a run.
    guests: watch::Receiver<usize>,
}

/// How many processes there are at each.
#[derive(Clone)]
struct Counts {
    asking: Arc<watch::Sender<usize>>,
    guests: Arc<watch::Sender<usize>>,
}

/// One process more, for as long as this lives.
struct OneMore(Arc<watch::Sender<usize>>);

impl OneMore {
    fn of(count: &Arc<watch::Sender<usize>>) -> Self {
        count.send_modify(|count| *count += 1);
        Self(Arc::clone(count))
    }
}

impl Drop for OneMore {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
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
        let ((asking_count, asking), (guests_count, guests)) =
            (watch::channel(0), watch::channel(0));
        let counts = Counts { asking: asking_count.into(), guests: guests_count.into() };
        let (is_open, closed) = oneshot::channel();
        let task = tokio::spawn(accept(listener, host, counts, closed));
        Ok(Self { task, path, is_open: Some(is_open), asking, guests })
    }

    /// Lets no further process ask, and returns once all that have asked are answered: a question
    /// that is lost half-way would leave its asker in doubt.
    pub async fn finish(&mut self) {
        // Nobody connects after this; who did before is still heard.
        let _ = std::fs::remove_file(&self.path);
        drop(self.is_open.take());
        // It ends once it has heard them all; that it was aborted is impossible before the drop.
        let _ = (&mut self.task).await;
        let answered = self.asking.wait_for(|count| *count == 0);
        let _ = tokio::time::timeout(ANSWERED_WITHIN, answered).await;
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

async fn accept(
    listener: UnixListener,
    host: Host,
    counts: Counts,
    mut closed: oneshot::Receiver<()>,
) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = &mut closed => return accept_the_last(listener, &host, &counts),
        };
        match accepted {
            Ok((stream, _)) => begin_to_serve(stream, &host, &counts),
            // Out of descriptors, for example: others may be given back meanwhile.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

/// Hears those who had connected when the socket went away.
fn accept_the_last(listener: UnixListener, host: &Host, counts: &Counts) {
    // It does not block: once nobody is left it says so.
    let Ok(listener) = listener.into_std() else { return };
    while let Ok((stream, _)) = listener.accept() {
        let stream = stream.set_nonblocking(true).and_then(|()| UnixStream::from_std(stream));
        if let Ok(stream) = stream {
            begin_to_serve(stream, host, counts);
        }
    }
}

fn begin_to_serve(stream: UnixStream, host: &Host, counts: &Counts) {
    // Counted before anybody can look.
    let asking = OneMore::of(&counts.asking);
    let (host, guests) = (host.clone(), Arc::clone(&counts.guests));
    tokio::spawn(async move {
        // Who asked may leave at any time.
        let _ = serve(stream, &host, asking, &guests).await;
    });
}

async fn serve(
    stream: UnixStream,
    host: &Host,
    asking: OneMore,
    guests: &Arc<watch::Sender<usize>>,
) -> io::Result<()> {
    let by = user_of(&stream);
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    let mut read = BufReader::new(read.take(LINE_BYTES_MAX));
    tokio::time::timeout(ASKED_WITHIN, read.read_line(&mut line)).await??;
    let ask: Ask = serde_json::from_str(&line)?;
    if let Ask::Follow { run } = ask {
        let _guest = OneMore::of(guests);
        drop(asking);
        return follow(host, &run, &mut write).await;
    }
    let (sender, mut receiver) = watch::channel(Progress::default());
    let mut answer = std::pin::pin!(host.answer(ask, &by, sender));
    let answer = loop {
        tokio::select! {
            biased;
            answer = &mut answer => break answer,
            Ok(()) = receiver.changed() => {
                let progress = *receiver.borrow_and_update();
                send(&mut write, &Answer::Progress(progress)).await?;
            }
        }
    };
    send(&mut write, &answer).await
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
        Ok(Err(summary)) => {
            send(write, &Answer::Update(Box::new(Update::of_uncarried(summary)))).await
        }
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
