//! Owns the floor of a durable step: a guest called in a fresh sandbox of wasmtime, and one record written to
//! a log over zeros before the next call. No limits but fuel, no decisions, no state, no recovery: the least
//! that any host with such a journal does. `cargo xtask bench` holds piton against it.
//! Never uses anything of piton's but the contract.
//!
//! `floor WRITER RUNS STEPS PARALLEL FOLDER COMPONENT VALUE` prints the seconds of one step, as a number. Two
//! threads carry the runs. The writer is `thread`, one that writes for all runs and takes along what waits
//! for it; or `itself`: each run writes its own records, which is the least where there is one.

use mimalloc::MiMalloc;
use std::error::Error;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::Builder;
use std::time::Instant;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use wasmtime::component::{Component, Linker};
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Store,
};
use wasmtime_wasi::{ResourceTable, WasiCtx, WasiCtxView, WasiView};

/// The contract in Rust.
mod contract {
    // The crate's root is where what can be reached is documented, and none of this can.
    #![allow(missing_docs)]

    wasmtime::component::bindgen!({
        path: "../step-sdk/wit",
        world: "plugin",
        exports: { default: async },
    });

    pub(super) use exports::piton::step::step::Context;
}

use contract::{Context, PluginPre};

/// The same as in piton: what can be had for a line belongs to the floor.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// About what a step records.
const RECORD: [u8; 400] = [b'x'; 400];

/// Threads that carry runs, as many as the goals are for.
const WORKERS: usize = 2;

/// More than any guest here needs.
const FUEL: u64 = 1 << 40;

/// Ticks that never come: guests look at the epoch all the same.
const TICKS: u64 = 1 << 40;

type Trouble = Box<dyn Error + Send + Sync>;

fn main() -> Result<(), Trouble> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // `cargo bench` adds `--bench`, and names no work.
    let [writer, runs, steps, parallel, folder, component, value] = arguments.as_slice() else {
        println!("`cargo xtask bench` runs this");
        return Ok(());
    };
    let (runs, steps, parallel) = (runs.parse()?, steps.parse()?, parallel.parse()?);
    let host = Host {
        sandbox: Sandbox::new(Path::new(component))?,
        log: Log::start(writer, &Path::new(folder).join("floor.wal"), runs * steps)?,
        value: value.clone(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(WORKERS).build()?;
    let host = Arc::new(host);
    // What the first call alone pays for is no part of a step.
    runtime.block_on(host.sandbox.call(value))?;
    let began = Instant::now();
    runtime.block_on(carry_all(host, runs, steps, parallel))?;
    println!("{}", began.elapsed().as_secs_f64() / f64::from(runs * steps));
    Ok(())
}

struct Host {
    sandbox: Sandbox,
    log: Log,
    value: String,
}

/// Carries out runs, so many at a time.
async fn carry_all(host: Arc<Host>, runs: u32, steps: u32, parallel: u32) -> Result<(), Trouble> {
    let begun = Arc::new(AtomicU32::new(0));
    let mut carriers = JoinSet::new();
    for _ in 0..parallel {
        let (host, begun) = (host.clone(), begun.clone());
        carriers.spawn(async move {
            while begun.fetch_add(1, Ordering::Relaxed) < runs {
                host.carry(steps).await?;
            }
            Ok::<(), Trouble>(())
        });
    }
    while let Some(ended) = carriers.join_next().await {
        ended??;
    }
    Ok(())
}

impl Host {
    /// One run: each step is given what the one before it returned, once that is on the disk.
    async fn carry(&self, steps: u32) -> Result<(), Trouble> {
        let mut value = self.value.clone();
        for _ in 0..steps {
            value = self.sandbox.call(&value).await?;
            self.log.write().await?;
        }
        Ok(())
    }
}

/// Wasmtime, set up as well as for piton.
struct Sandbox {
    engine: Engine,
    step: PluginPre<Guest>,
}

struct Guest {
    wasi: WasiCtx,
    resources: ResourceTable,
}

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.resources }
    }
}

impl Sandbox {
    fn new(component: &Path) -> Result<Self, Trouble> {
        let mut pool = PoolingAllocationConfig::new();
        if PoolingAllocationConfig::is_pagemap_scan_available() {
            pool.pagemap_scan(Enabled::Yes)
                .linear_memory_keep_resident(256 << 10)
                .table_keep_resident(16 << 10);
        }
        let mut config = Config::new();
        config
            .consume_fuel(true)
            .epoch_interruption(true)
            .allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
        let engine = Engine::new(&config)?;
        let component = Component::from_file(&engine, component)?;
        let mut linker = Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
        // The step that is measured imports nothing of the contract but types.
        let step = PluginPre::new(linker.instantiate_pre(&component)?)?;
        Ok(Self { engine, step })
    }

    /// Calls the step in a sandbox of its own.
    async fn call(&self, input: &str) -> Result<String, Trouble> {
        let guest = Guest { wasi: WasiCtx::builder().build(), resources: ResourceTable::new() };
        let mut store = Store::new(&self.engine, guest);
        store.set_fuel(FUEL)?;
        store.set_epoch_deadline(TICKS);
        let instance = self.step.instantiate_async(&mut store).await?;
        let context = Context {
            run_id: String::new(),
            step: String::new(),
            attempt: 1,
            idempotency_key: String::new(),
            execute_key: String::new(),
            time_left_ms: 1_000,
        };
        let ended = instance.piton_step_step().call_execute(&mut store, &context, input).await?;
        ended.map_err(|failure| failure.message.into())
    }
}

/// A file of zeros that records are written over.
enum Log {
    /// One thread writes, for whoever asks.
    Thread(Sender<oneshot::Sender<()>>),
    /// Whoever asks writes.
    Itself(Zeros),
}

impl Log {
    fn start(writer: &str, path: &Path, records: u32) -> Result<Self, Trouble> {
        let zeros = Zeros::new(path, records)?;
        match writer {
            "itself" => Ok(Self::Itself(zeros)),
            "thread" => {
                let (sender, receiver) = channel();
                let thread = Builder::new().name("writer".into());
                thread.spawn(move || write_all(&zeros, &receiver))?;
                Ok(Self::Thread(sender))
            }
            other => Err(format!("there is no writer `{other}`").into()),
        }
    }

    /// Returns when a record is on the disk.
    async fn write(&self) -> Result<(), Trouble> {
        match self {
            Self::Itself(zeros) => Ok(zeros.write(1)?),
            Self::Thread(asks) => {
                let (sender, receiver) = oneshot::channel();
                asks.send(sender)?;
                Ok(receiver.await?)
            }
        }
    }
}

/// Writes for all who wait, and syncs once for them. Where that fails they learn that nobody answers.
fn write_all(zeros: &Zeros, asked: &Receiver<oneshot::Sender<()>>) {
    while let Ok(first) = asked.recv() {
        let group: Vec<_> = std::iter::once(first).chain(asked.try_iter()).collect();
        if zeros.write(group.len()).is_err() {
            return;
        }
        for waits in group {
            // A run that is gone does not wait.
            let _ = waits.send(());
        }
    }
}

struct Zeros {
    file: File,
    /// Where the next record begins.
    end: AtomicU64,
}

impl Zeros {
    fn new(path: &Path, records: u32) -> io::Result<Self> {
        let file = File::create(path)?;
        file.write_all_at(&vec![0; RECORD.len() * records as usize], 0)?;
        file.sync_all()?;
        Ok(Self { file, end: AtomicU64::new(0) })
    }

    /// Writes so many records in one go, and syncs them.
    fn write(&self, records: usize) -> io::Result<()> {
        let bytes = RECORD.repeat(records);
        let begin = self.end.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        self.file.write_all_at(&bytes, begin)?;
        self.file.sync_data()
    }
}
