//! Watches how much room is left on the disks that a guest may write: it may not take the last of it,
//! which the host's own journal may live on.
//! Never counts what a guest writes, and never frees anything.

use super::grants::ResolvedDir;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What a guest must leave on a disk, in bytes; or, where that is less, one part in
/// [`LEFT_OF_SMALL`] of it.
const LEFT_BYTES: u64 = 256 << 20;
const LEFT_OF_SMALL: u64 = 20;

/// How often it is looked at: what a guest writes meanwhile is well below [`LEFT_BYTES`].
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What a disk has, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Disk {
    all: u64,
    free: u64,
}

/// The folders that a guest may write.
pub(super) struct Room {
    folders: Vec<PathBuf>,
    look: fn(&Path) -> Option<Disk>,
}

impl Room {
    pub(super) fn of(dirs: &[ResolvedDir]) -> Self {
        let folders = dirs.iter().filter(|dir| dir.write).map(|dir| dir.host.clone()).collect();
        Self { folders, look: disk_of }
    }

    /// Says which folder's disk has too little room left, if one has.
    pub(super) async fn is_short(&self) -> Option<String> {
        if self.folders.is_empty() {
            return None;
        }
        let (folders, look) = (self.folders.clone(), self.look);
        // A disk on a network may take its time; whoever looks must not stop for it.
        let looked = tokio::task::spawn_blocking(move || {
            folders.iter().find_map(|folder| shortage(folder, look(folder)?))
        });
        // A look that panics has found nothing.
        looked.await.unwrap_or(None)
    }

    /// Waits until a disk has too little room left: for ever where the guest may write nothing.
    pub(super) async fn runs_short(&self) -> String {
        if self.folders.is_empty() {
            return std::future::pending().await;
        }
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            if let Some(short) = self.is_short().await {
                return short;
            }
        }
    }
}

fn disk_of(folder: &Path) -> Option<Disk> {
    let found = rustix::fs::statvfs(folder).ok()?;
    let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
    Some(Disk { all: bytes(found.f_blocks), free: bytes(found.f_bavail) })
}

/// What is told of a disk with too little room. Some disks do not say how large they are.
fn shortage(folder: &Path, disk: Disk) -> Option<String> {
    let least = LEFT_BYTES.min(disk.all / LEFT_OF_SMALL);
    (disk.free < least).then(|| {
        format!(
            "the disk of the granted folder `{}` has {} KiB left, and a step must leave {} KiB: make \
             room there",
            folder.display(),
            disk.free >> 10,
            least >> 10
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(all: u64, free: u64, is_short: bool) {
        let told = shortage(Path::new("/data"), Disk { all, free });
        assert_eq!(told.is_some(), is_short, "{free} of {all}: {told:?}");
    }

    #[test]
    fn large_disks_keep_a_fixed_room_and_small_ones_a_share() {
        let gib = 1 << 30;
        check(100 * gib, LEFT_BYTES, false);
        check(100 * gib, LEFT_BYTES - 1, true);
        check(gib, gib / 20, false);
        check(gib, gib / 20 - 1, true);
        check(0, 0, false);
    }

    #[tokio::test]
    async fn a_disk_that_fills_up_stops_who_may_write_there() {
        let look = |_: &Path| Some(Disk { all: 100 << 30, free: 1 << 20 });
        let room = Room { folders: vec!["/data".into()], look };
        let told = room.runs_short().await;
        assert!(told.contains("`/data` has 1024 KiB left, and a step must leave 262144"), "{told}");
        assert_eq!(room.is_short().await, Some(told));
    }

    #[tokio::test]
    async fn who_may_write_nothing_is_never_stopped() {
        let read_only = ResolvedDir { host: "/".into(), guest: "/data".into(), write: false };
        let room = Room::of(&[read_only]);
        assert_eq!(room.is_short().await, None);
        let waited = tokio::time::timeout(LOOK_EVERY * 2, room.runs_short()).await;
        assert!(waited.is_err(), "{waited:?}");
    }
}
