/* Counts writes and syncs of the journal; kills the process, or has the disk be full, after the
 * n-th. Sets the clock. Owns what shim.rs offers; never changes what is written. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static long kill_after_sync, kill_after_write, full_after_write;
static long syncs, writes, clock_ahead;

static long setting(const char *name) {
    const char *text = getenv(name);
    return text ? atol(text) : 0;
}

__attribute__((constructor)) static void begin(void) {
    kill_after_sync = setting("SHIM_KILL_AFTER_SYNC");
    kill_after_write = setting("SHIM_KILL_AFTER_WRITE");
    full_after_write = setting("SHIM_FULL_AFTER_WRITE");
    clock_ahead = setting("SHIM_CLOCK_AHEAD");
}

/* Whether the file's path has this in it. */
static int is_in(int fd, const char *part) {
    char name[64], path[4096];
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(name, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return strstr(path, part) != NULL;
}

static void die(void) { kill(getpid(), SIGKILL); pause(); }

static void synced(int fd) {
    if (kill_after_sync && is_in(fd, "/journal.redb")
        && __atomic_add_fetch(&syncs, 1, __ATOMIC_SEQ_CST) == kill_after_sync) die();
}

/* Returns whether there is space; counts a write to the journal. */
static int has_space(int fd) {
    if (!full_after_write || !is_in(fd, "/.piton/")) return 1;
    if (!is_in(fd, "/journal.redb"))
        return __atomic_load_n(&writes, __ATOMIC_SEQ_CST) < full_after_write;
    return __atomic_add_fetch(&writes, 1, __ATOMIC_SEQ_CST) <= full_after_write;
}

static void written(int fd) {
    if (kill_after_write && is_in(fd, "/journal.redb")
        && __atomic_add_fetch(&writes, 1, __ATOMIC_SEQ_CST) == kill_after_write) die();
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int result = (int)syscall(SYS_clock_gettime, clock, now);
    if (result == 0 && clock == CLOCK_REALTIME) now->tv_sec += clock_ahead;
    return result;
}

int fsync(int fd) {
    int result = (int)syscall(SYS_fsync, fd);
    if (result == 0) synced(fd);
    return result;
}

int fdatasync(int fd) {
    int result = (int)syscall(SYS_fdatasync, fd);
    if (result == 0) synced(fd);
    return result;
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t offset) {
    if (!has_space(fd)) { errno = ENOSPC; return -1; }
    ssize_t result = syscall(SYS_pwrite64, fd, bytes, count, offset);
    if (result >= 0) written(fd);
    return result;
}

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t offset) {
    return pwrite64(fd, bytes, count, offset);
}

ssize_t write(int fd, const void *bytes, size_t count) {
    if (full_after_write && !has_space(fd)) { errno = ENOSPC; return -1; }
    return syscall(SYS_write, fd, bytes, count);
}
