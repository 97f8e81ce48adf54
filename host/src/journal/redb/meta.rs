//! The values of the table [`META`](super::tables::META), each behind its checksum.
//! Never opens a transaction, and never decides what a value is.

use super::super::store::JournalError;
use super::tables::{
    Bytes, Counts, META_COUNTS, META_FENCE, pipeline_count, seal_meta, unseal_meta,
};
use ::redb::{ReadableTable, Table};

type Meta<'a> = Table<'a, &'static str, &'static [u8]>;

pub(super) fn write_fence(meta: &mut Meta<'_>, fence: u64) -> Result<(), JournalError> {
    meta.insert(META_FENCE, &*seal_meta(META_FENCE, &fence.to_be_bytes()))?;
    Ok(())
}

pub(super) fn write_counts(meta: &mut Meta<'_>, counts: &Counts) -> Result<(), JournalError> {
    let bytes: Vec<u8> = counts.iter().flat_map(|count| count.to_be_bytes()).collect();
    meta.insert(META_COUNTS, &*seal_meta(META_COUNTS, &bytes))?;
    Ok(())
}

/// Changes how many runs a pipeline has. What has none is not kept.
pub(super) fn count_runs_of(
    meta: &mut Meta<'_>,
    pipeline: &str,
    change: impl FnOnce(u64) -> u64,
) -> Result<(), JournalError> {
    let name = pipeline_count(pipeline);
    match change(number_in(meta, &name)?.unwrap_or(0)) {
        0 => drop(meta.remove(&*name)?),
        count => drop(meta.insert(&*name, &*seal_meta(&name, &count.to_be_bytes()))?),
    }
    Ok(())
}

/// A number in that table; none where it is not there, or no number.
pub(super) fn number_in(
    meta: &impl ReadableTable<&'static str, &'static [u8]>,
    name: &str,
) -> Result<Option<u64>, JournalError> {
    let Some(sealed) = meta.get(name)? else { return Ok(None) };
    Ok(Bytes(unseal_meta(name, sealed.value())?).number())
}
