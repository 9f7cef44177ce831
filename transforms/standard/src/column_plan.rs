//! What the plans of all transforms here have in common: they look for their columns in the input, once.

use std::sync::Arc;

use arrow_schema::SchemaRef;
use smiles_stage::{
    Offer, OpenContext, Problems, Query, StageError, Subject, Transform, TransformPlan, WiredTransform,
};

/// The plan of a transform: its valid options, and how it finds its columns.
pub(crate) trait ColumnPlan: Send + Sync + 'static {
    /// The columns it finds in the input.
    type Columns: Send + Sync;

    /// Looks for its columns.
    fn columns(&self, input: &SchemaRef) -> Result<Self::Columns, Problems>;

    /// The columns that leave.
    fn output(columns: &Self::Columns) -> SchemaRef;

    /// As [`WiredTransform::subject`], for this input.
    fn subject(&self, _input: &SchemaRef) -> Option<Subject> {
        None
    }

    /// As [`WiredTransform::asks`].
    fn asks(&self, _store: &Offer) -> Vec<Option<Query>> {
        Vec::new()
    }

    /// Makes the transform.
    fn open(&self, columns: Arc<Self::Columns>, context: OpenContext) -> Box<dyn Transform>;
}

/// The plan as the runtime takes it.
pub(crate) fn transform_plan(plan: impl ColumnPlan) -> Box<dyn TransformPlan> {
    Box::new(StandardPlan(Arc::new(plan)))
}

struct StandardPlan<S>(Arc<S>);

struct WiredStandard<S: ColumnPlan> {
    plan: Arc<S>,
    columns: Arc<S::Columns>,
    subject: Option<Subject>,
}

impl<S: ColumnPlan> TransformPlan for StandardPlan<S> {
    fn wire(&self, input: &SchemaRef) -> Result<Box<dyn WiredTransform>, Problems> {
        let columns = Arc::new(self.0.columns(input)?);
        let (plan, subject) = (Arc::clone(&self.0), self.0.subject(input));
        Ok(Box::new(WiredStandard { plan, columns, subject }))
    }
}

impl<S: ColumnPlan> WiredTransform for WiredStandard<S> {
    fn output(&self) -> SchemaRef {
        S::output(&self.columns)
    }

    fn subject(&self) -> Option<Subject> {
        self.subject.clone()
    }

    fn asks(&self, store: &Offer) -> Vec<Option<Query>> {
        self.plan.asks(store)
    }

    fn open(&self, context: OpenContext) -> Result<Box<dyn Transform>, StageError> {
        Ok(self.plan.open(Arc::clone(&self.columns), context))
    }
}
