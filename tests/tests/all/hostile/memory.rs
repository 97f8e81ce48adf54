//! Steps that want memory: their own, and what the host holds for them.

use super::{check_ends, names};
use piton_tests::{ATTACK_MIB, Arena};

#[test]
fn memory_ends_at_its_limit_whoever_holds_it() {
    let mut arena = Arena::new();
    let attacks = [
        ("grow", "out-of-memory"),
        ("pollables", "denied"),
        ("fields", "denied"),
        ("open-files", "retryable"),
        ("deep", "stack-overflow"),
    ];
    let grant = r#"grants.dirs = [{ host = "out", guest = "/data", write = true }]"#;
    check_ends(&arena.attack(grant, &names(&attacks)), &attacks);
    arena.end(ATTACK_MIB);
}
