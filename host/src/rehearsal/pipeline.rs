//! The pipeline of a manifest with what its components say about themselves, as a run would have it.
//! Looks at components and runs none of them.

use crate::runner::{CheckedManifest, Checking, component_file, read_component};
use crate::sandbox::World;
use piton_core::Pipeline;
use std::path::Path;
use std::sync::Arc;

/// The pipeline, where each step says whether its component exports `reconcile`. A component that
/// cannot be looked at is taken to have what its `effect` asks for.
pub fn pipeline_of(checked: &CheckedManifest, checking: &Checking) -> Arc<Pipeline> {
    let folder = checked.path.parent().unwrap_or(Path::new(""));
    let mut pipeline = (*checked.manifest.pipeline).clone();
    for (step, settings) in pipeline.steps.iter_mut().zip(&checked.manifest.steps) {
        let Some(named) = &settings.component else { continue };
        let reconciles = reconciles(checking, &folder.join(&named.path), &named.path);
        step.reconciles = reconciles.unwrap_or(step.reconciles);
    }
    Arc::new(pipeline)
}

fn reconciles(checking: &Checking, path: &Path, named: &str) -> Option<bool> {
    let (file, _) = component_file(path, named).ok()?;
    let inspection = checking.inspect(&read_component(&file).ok()?).ok()?;
    Some(inspection.world == Some(World::ReconcilablePlugin))
}
