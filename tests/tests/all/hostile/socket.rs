//! Whoever reaches the host's socket without speaking its language.

use piton_tests::{ATTACK_MIB, Arena};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;

/// Only whoever owns the directory gets this far; what they send there is still no reason to stop.
#[test]
fn what_nobody_asks_holds_up_nobody() {
    let mut arena = Arena::new();
    let data = arena.home.data();
    let mode = std::fs::metadata(&data).expect("a folder").permissions().mode();
    assert_eq!(mode & 0o077, 0, "others should not get there");
    let connect = || UnixStream::connect(data.join("socket")).expect("it should be there");
    let mut held: Vec<UnixStream> = (0..100).map(|_| connect()).collect();
    for bytes in
        [&b"\0\xff\xfe\r\n"[..], b"{\"ask\":\n", b"GET / HTTP/1.1\r\n\r\n", b"\xff\xff\xff\xff"]
    {
        let mut stream = connect();
        let _ = stream.write_all(bytes);
        held.push(stream);
    }
    // A question without an end: the host hangs up before it has heard 200 MiB of it.
    let mut endless = connect();
    let part = vec![b'x'; 1 << 20];
    let heard = (0..200).take_while(|_| endless.write_all(&part).is_ok()).count();
    assert!(heard < 200, "the host should have hung up");
    let _ = endless.read(&mut [0; 1]);
    arena.honest_run();
    drop(held);
    arena.end(ATTACK_MIB);
}
