/* Counts writes and syncs of the journal; kills the process, or has the disk be full or broken, after
 * the n-th. Sets the clock, or has it fail. Answers look-ups of names, and lets nobody connect.
 * Owns what shim.rs offers; never changes what is written. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static long kill_after_sync, kill_after_write, full_after_write, broken_after_sync;
static long syncs, writes, clock_ahead, clock_fails, clock_of_file;
static const char *names;

static long setting(const char *name) {
    const char *text = getenv(name);
    return text ? atol(text) : 0;
}

__attribute__((constructor)) static void begin(void) {
    kill_after_sync = setting("SHIM_KILL_AFTER_SYNC");
    kill_after_write = setting("SHIM_KILL_AFTER_WRITE");
    full_after_write = setting("SHIM_FULL_AFTER_WRITE");
    broken_after_sync = setting("SHIM_BROKEN_AFTER_SYNC");
    clock_ahead = setting("SHIM_CLOCK_AHEAD");
    clock_fails = setting("SHIM_CLOCK_FAILS");
    clock_of_file = setting("SHIM_CLOCK_OF_FILE");
    names = getenv("SHIM_NAMES");
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
    if (kill_after_sync && is_in(fd, "/journal.")
        && __atomic_add_fetch(&syncs, 1, __ATOMIC_SEQ_CST) == kill_after_sync) die();
}

/* Returns whether there is space; counts a write to the journal. */
static int has_space(int fd) {
    if (!full_after_write || !is_in(fd, "/.piton/")) return 1;
    if (!is_in(fd, "/journal."))
        return __atomic_load_n(&writes, __ATOMIC_SEQ_CST) < full_after_write;
    return __atomic_add_fetch(&writes, 1, __ATOMIC_SEQ_CST) <= full_after_write;
}

static void written(int fd) {
    if (kill_after_write && is_in(fd, "/journal.")
        && __atomic_add_fetch(&writes, 1, __ATOMIC_SEQ_CST) == kill_after_write) die();
}

/* How far ahead the clock is by now: as the file `clock` in the working folder says. */
static long ahead_by_file(void) {
    char text[32] = {0};
    int fd = (int)syscall(SYS_openat, AT_FDCWD, "clock", O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0) return 0;
    long length = syscall(SYS_read, fd, text, sizeof text - 1);
    syscall(SYS_close, fd);
    return length > 0 ? atol(text) : 0;
}

/* Whether this thread does nothing but read the clock: a guest that does is a caller like any other,
 * and no host is. */
static int is_read_in_a_loop(const struct timespec *now) {
    static __thread struct timespec before;
    static __thread int in_a_row;
    long apart = (now->tv_sec - before.tv_sec) * 1000000000L + (now->tv_nsec - before.tv_nsec);
    before = *now;
    in_a_row = apart < 20000 ? in_a_row + 1 : 0;
    if (in_a_row < 500) return 0;
    in_a_row = 0;
    return 1;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int result = (int)syscall(SYS_clock_gettime, clock, now);
    if (result != 0) return result;
    if (clock == CLOCK_REALTIME) now->tv_sec += clock_of_file ? ahead_by_file() : clock_ahead;
    if (clock == CLOCK_MONOTONIC && clock_fails && is_read_in_a_loop(now)) {
        errno = EINVAL;
        return -1;
    }
    return 0;
}

/* Notes what was asked of the network in the file `network` in the working folder. */
static void note(const char *what, const char *of) {
    char line[300];
    int length = snprintf(line, sizeof line, "%s %s\n", what, of);
    int fd = (int)syscall(SYS_openat, AT_FDCWD, "network", O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (fd < 0) return;
    syscall(SYS_write, fd, line, length);
    syscall(SYS_close, fd);
}

typedef int look_up(const char *, const char *, const struct addrinfo *, struct addrinfo **);

/* The addresses of the n-th look-up, or of the last that there is one for; `+` is between several of
 * one, `,` between look-ups. */
static int answered(const char *service, const struct addrinfo *hints, struct addrinfo **found) {
    static long looked_up;
    look_up *real = (look_up *)dlsym(RTLD_NEXT, "getaddrinfo");
    long skipped = __atomic_fetch_add(&looked_up, 1, __ATOMIC_SEQ_CST);
    const char *answer = names, *next;
    while (skipped-- > 0 && (next = strchr(answer, ','))) answer = next + 1;
    char text[200];
    snprintf(text, sizeof text, "%.*s", (int)strcspn(answer, ","), answer);
    char *rest = text, *one;
    while ((one = strsep(&rest, "+"))) {
        int failed = real(one, service, hints, found);
        if (failed) return failed;
        while (*found) found = &(*found)->ai_next;
    }
    return 0;
}

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                struct addrinfo **found) {
    if (!names) return ((look_up *)dlsym(RTLD_NEXT, "getaddrinfo"))(name, service, hints, found);
    note("look-up", name);
    return answered(service, hints, found);
}

int connect(int fd, const struct sockaddr *to, socklen_t length) {
    if (names && to->sa_family != AF_UNIX) {
        char text[100] = "?";
        if (to->sa_family == AF_INET)
            inet_ntop(AF_INET, &((const struct sockaddr_in *)to)->sin_addr, text, sizeof text);
        note("connect", text);
        errno = ECONNREFUSED;
        return -1;
    }
    return (int)syscall(SYS_connect, fd, to, length);
}

/* Returns whether the disk takes it. */
static int is_whole(int fd) {
    if (!broken_after_sync || !is_in(fd, "/journal.")) return 1;
    return __atomic_add_fetch(&syncs, 1, __ATOMIC_SEQ_CST) <= broken_after_sync;
}

int fsync(int fd) {
    if (!is_whole(fd)) { errno = EIO; return -1; }
    int result = (int)syscall(SYS_fsync, fd);
    if (result == 0) synced(fd);
    return result;
}

int fdatasync(int fd) {
    if (!is_whole(fd)) { errno = EIO; return -1; }
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
