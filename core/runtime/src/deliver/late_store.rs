//! A store that others may hold before its sink could be opened.

use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use smiles_stage::{OpenSink, Query, Rows, Sink, StageError, Store, StoreStats};

/// The store of one sink; it answers once the sink was opened.
pub(crate) struct LateStore {
    sink: String,
    opened: RwLock<Option<Arc<dyn Store>>>,
}

impl LateStore {
    pub(crate) fn of(sink: &str) -> Arc<Self> {
        Arc::new(Self { sink: sink.to_owned(), opened: RwLock::default() })
    }

    fn put(&self, store: Arc<dyn Store>) {
        *self.opened.write().unwrap_or_else(PoisonError::into_inner) = Some(store);
    }

    fn get(&self) -> Result<Arc<dyn Store>, StageError> {
        let opened = self.opened.read().unwrap_or_else(PoisonError::into_inner).clone();
        opened.ok_or_else(|| StageError::retry(format!("the sink `{}` is not open", self.sink)))
    }
}

/// Takes an opened sink apart: whoever holds its store can ask it from now on.
pub(crate) fn opened(OpenSink { sink, store }: OpenSink, late: Option<&Arc<LateStore>>) -> Box<dyn Sink> {
    if let (Some(late), Some(store)) = (late, store) {
        late.put(store);
    }
    sink
}

#[async_trait]
impl Store for LateStore {
    async fn query(&self, query: &Query) -> Result<Rows, StageError> {
        self.get()?.query(query).await
    }

    async fn stats(&self) -> Result<StoreStats, StageError> {
        self.get()?.stats().await
    }

    async fn version(&self) -> Result<Option<String>, StageError> {
        self.get()?.version().await
    }
}
