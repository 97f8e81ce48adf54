//! Builds the wasmtime engine: which WebAssembly is understood, and how memory for it is set aside.
//! One engine, one configuration per process. Never loads or runs anything.

use super::settings::{Notice, Settings};
use std::fmt;
use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

/// Core instances of one component. Python's are made of up to 14.
pub(super) const CORE_INSTANCES_MAX: u32 = 32;
/// Linear memories of one component. All known languages use one.
pub(super) const MEMORIES_MAX: u32 = 4;
/// Tables of one component.
pub(super) const TABLES_MAX: u32 = 16;
/// Elements of one table, whatever the limit of all tables together.
const TABLE_ELEMENTS_MAX: usize = 200_000;

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// Why there is no sandbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SandboxError(pub(super) String);

impl fmt::Display for SandboxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SandboxError {}

/// What compiled code depends on: equal in the process that runs it and in the one that compiles.
fn config() -> Config {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        .wasm_memory64(false)
        .relaxed_simd_deterministic(true)
        .consume_fuel(true)
        .epoch_interruption(true)
        // What lies between the two is the host functions' stack; its overflow would end the process.
        .max_wasm_stack(512 * KIB)
        .async_stack_size(2 * MIB)
        // Both only help debuggers and exact places in backtraces, and make compiled code larger.
        .native_unwind_info(false)
        .generate_address_map(false);
    config
}

/// The engine of the process that compiles: it sets no memory aside.
pub(super) fn compiling() -> Result<Engine, SandboxError> {
    Engine::new(&config())
        .map_err(|error| SandboxError(format!("cannot start wasmtime: {error:#}")))
}

/// The engine of the process that runs steps.
pub(super) fn running(settings: &Settings) -> Result<Engine, SandboxError> {
    let mut config = config();
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(settings.slots)));
    Engine::new(&config).or_else(|error| {
        (settings.notify)(Notice::PoolUnavailable(format!("{error:#}")));
        compiling()
    })
}

/// Address space for `slots` components, of which only what is touched becomes memory.
fn pool(slots: u32) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(slots)
        .total_core_instances(slots.saturating_mul(CORE_INSTANCES_MAX))
        .total_memories(slots.saturating_mul(MEMORIES_MAX))
        .total_tables(slots.saturating_mul(TABLES_MAX))
        .total_stacks(slots)
        .max_core_instances_per_component(CORE_INSTANCES_MAX)
        .max_memories_per_component(MEMORIES_MAX)
        .max_memories_per_module(MEMORIES_MAX)
        .max_tables_per_component(TABLES_MAX)
        .max_tables_per_module(TABLES_MAX)
        .table_elements(TABLE_ELEMENTS_MAX)
        // Slots that still hold an ended step's image are quicker to use again, and cost memory.
        .max_unused_warm_slots(slots);
    // With the scan only pages that were written are reset, and they stay for the next call.
    // Without it as many bytes would be cleared each time, touched or not.
    if PoolingAllocationConfig::is_pagemap_scan_available() {
        pool.pagemap_scan(Enabled::Yes)
            .linear_memory_keep_resident(256 * KIB)
            .table_keep_resident(16 * KIB);
    }
    pool
}
