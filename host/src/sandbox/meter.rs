//! Counts the memory of one attempt and says when it is too much.
//! Sums over all memories and all tables, initial sizes included: wasmtime's own limits are per memory.

use super::engine::{CORE_INSTANCES_MAX, MEMORIES_MAX, TABLES_MAX};
use wasmtime::ResourceLimiter;

/// The memory of one attempt.
pub(super) struct Meter {
    memory: Gauge,
    table: Gauge,
    refusal: Option<Refusal>,
}

/// One sum and its limit.
struct Gauge {
    now: u64,
    peak: u64,
    max: u64,
    /// What the last growth added, in case it fails after all.
    last: u64,
}

/// A wish that was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// All memories together would have had this many bytes.
    Memory { wanted: u64, max: u64 },
    /// All tables together would have had this many elements.
    Table { wanted: u64, max: u64 },
}

impl Meter {
    /// Starts at nothing.
    pub(super) const fn new(memory_bytes_max: u64, table_elements_max: u64) -> Self {
        Self {
            memory: Gauge::new(memory_bytes_max),
            table: Gauge::new(table_elements_max),
            refusal: None,
        }
    }

    /// The most that all memories together had.
    pub(super) const fn memory_peak_bytes(&self) -> u64 {
        self.memory.peak
    }

    /// The last wish that was refused.
    pub(super) const fn refusal(&self) -> Option<Refusal> {
        self.refusal
    }
}

impl Gauge {
    const fn new(max: u64) -> Self {
        Self { now: 0, peak: 0, max, last: 0 }
    }

    /// Adds a growth, or says what it would have come to; or nothing, where it is not ours to
    /// refuse, since it would pass the guest's own maximum.
    fn grow(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> Result<(), Option<u64>> {
        let added = (desired as u64).saturating_sub(current as u64);
        let wanted = self.now.saturating_add(added);
        if wanted > self.max {
            return Err(Some(wanted));
        }
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Err(None);
        }
        (self.now, self.last, self.peak) = (wanted, added, self.peak.max(wanted));
        Ok(())
    }

    /// Takes back the last growth, which was allowed and then failed.
    fn shrink(&mut self) {
        self.now = self.now.saturating_sub(std::mem::take(&mut self.last));
    }
}

impl ResourceLimiter for Meter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let grown = self.memory.grow(current, desired, maximum);
        if let Err(Some(wanted)) = grown {
            self.refusal = Some(Refusal::Memory { wanted, max: self.memory.max });
        }
        Ok(grown.is_ok())
    }

    fn memory_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
        self.memory.shrink();
        Ok(())
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let grown = self.table.grow(current, desired, maximum);
        if let Err(Some(wanted)) = grown {
            self.refusal = Some(Refusal::Table { wanted, max: self.table.max });
        }
        Ok(grown.is_ok())
    }

    fn table_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
        self.table.shrink();
        Ok(())
    }

    fn instances(&self) -> usize {
        CORE_INSTANCES_MAX as usize
    }

    fn memories(&self) -> usize {
        MEMORIES_MAX as usize
    }

    fn tables(&self) -> usize {
        TABLES_MAX as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_memories_share_one_limit() {
        let mut meter = Meter::new(100, 10);
        assert!(meter.memory_growing(0, 60, None).expect("a growth should be answered"));
        assert!(!meter.memory_growing(0, 60, None).expect("a growth should be answered"));
        assert_eq!(meter.refusal(), Some(Refusal::Memory { wanted: 120, max: 100 }));
        assert!(meter.memory_growing(0, 40, None).expect("a growth should be answered"));
        assert_eq!(meter.memory_peak_bytes(), 100);
    }

    #[test]
    fn a_growth_that_fails_is_not_counted() {
        let mut meter = Meter::new(100, 10);
        assert!(meter.memory_growing(0, 100, None).expect("a growth should be answered"));
        let error = wasmtime::Error::msg("no pages left");
        meter.memory_grow_failed(error).expect("a failed growth should be taken back");
        assert!(meter.memory_growing(0, 100, None).expect("a growth should be answered"));
    }

    #[test]
    fn beyond_its_own_maximum_is_no_refusal_of_ours() {
        let mut meter = Meter::new(100, 10);
        assert!(!meter.table_growing(0, 5, Some(4)).expect("a growth should be answered"));
        assert_eq!(meter.refusal(), None);
    }
}
