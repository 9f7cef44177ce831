//! What every transform here has in common: it looks for its columns in what enters, once, and works with those.

use std::sync::Arc;

use arrow_schema::SchemaRef;
use smiles_stage::{
    Offer, OpenContext, Problems, Query, StageError, Subject, Transform, TransformPlan, WiredTransform,
};

/// A transform by its options.
pub(crate) trait Shape: Send + Sync + 'static {
    /// What it finds in what enters.
    type Columns: Send + Sync;

    /// Looks for its columns.
    fn columns(&self, input: &SchemaRef) -> Result<Self::Columns, Problems>;

    /// The columns that leave.
    fn output(columns: &Self::Columns) -> SchemaRef;

    /// As [`WiredTransform::subject`], for these columns.
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

/// The plan of a transform with sound options.
pub(crate) fn planned(shape: impl Shape) -> Box<dyn TransformPlan> {
    Box::new(Planned(Arc::new(shape)))
}

struct Planned<S>(Arc<S>);

struct Wired<S: Shape> {
    shape: Arc<S>,
    columns: Arc<S::Columns>,
    subject: Option<Subject>,
}

impl<S: Shape> TransformPlan for Planned<S> {
    fn wire(&self, input: &SchemaRef) -> Result<Box<dyn WiredTransform>, Problems> {
        let columns = Arc::new(self.0.columns(input)?);
        let (shape, subject) = (Arc::clone(&self.0), self.0.subject(input));
        Ok(Box::new(Wired { shape, columns, subject }))
    }
}

impl<S: Shape> WiredTransform for Wired<S> {
    fn output(&self) -> SchemaRef {
        S::output(&self.columns)
    }

    fn subject(&self) -> Option<Subject> {
        self.subject.clone()
    }

    fn asks(&self, store: &Offer) -> Vec<Option<Query>> {
        self.shape.asks(store)
    }

    fn open(&self, context: OpenContext) -> Result<Box<dyn Transform>, StageError> {
        Ok(self.shape.open(Arc::clone(&self.columns), context))
    }
}
