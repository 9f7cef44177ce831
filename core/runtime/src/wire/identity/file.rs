//! The transforms of a file as those whose memory is looked for.

use std::sync::Arc;

use arrow_schema::SchemaRef;
use smiles_config::{DisabledTransform, Pipeline, TransformDecl};
use smiles_journal::StateChange;
use smiles_stage::{Files, Registry, Subject};

use crate::wire::identity::kept::Kept;
use crate::wire::identity::settle::{OrphanedState, StateMatches, settle};
use crate::wire::identity::stage::Stage;
use crate::wire::wired::{TransformNode, Wired, context};

impl Wired {
    /// The transforms of the file and what a journal keeps: who goes on with what.
    pub(crate) fn settle(&self, state: &[StateChange]) -> StateMatches {
        let running = self.pipeline.transforms.iter().zip(&self.transforms);
        let mut stages: Vec<Stage> = running.map(|(decl, wired)| identified(decl, wired)).collect();
        for (off, subject) in self.pipeline.disabled_transforms.iter().zip(&self.disabled).rev() {
            let called = off.name.clone().unwrap_or_else(|| off.type_name.clone());
            let (type_name, named, subject) = (off.type_name.clone(), off.name.is_some(), subject.clone());
            stages.insert(off.place, Stage { on: false, called, type_name, named, subject });
        }
        settle(&stages, &Kept::of(state))
    }

    /// The transforms that would begin afresh with a journal that keeps this state, though it keeps some of their type.
    pub fn forgotten(&self, state: &[StateChange]) -> Vec<OrphanedState> {
        self.settle(state).forgotten
    }
}

pub(crate) fn identified(decl: &TransformDecl, wired: &TransformNode) -> Stage {
    Stage {
        on: true,
        called: decl.stage.name.clone(),
        type_name: decl.stage.type_name.clone(),
        named: decl.named,
        subject: wired.transform.subject(),
    }
}

/// As if each stood in its place; what does not fit there cannot be told.
pub(crate) fn disabled_subjects(
    pipeline: &Pipeline,
    registry: &Registry,
    files: &Arc<dyn Files>,
    transforms: &[TransformNode],
    end: &SchemaRef,
) -> Vec<Option<Subject>> {
    let subject = |off: &DisabledTransform| {
        let stage = off.stage.as_ref()?;
        let factory = registry.find_transform(&stage.type_name)?;
        let plan = factory.plan(&stage.options, context(stage, files)).ok()?;
        let input = transforms.get(off.place).map_or(end, |next| &next.input);
        plan.wire(input).ok()?.subject()
    };
    pipeline.disabled_transforms.iter().map(subject).collect()
}
