//! Row counts that cost what was added since the last time, not what there is.

use std::collections::HashMap;
use std::time::Duration;

use postgres_types::Type;
use tokio_postgres::Client;

use crate::catalog::Found;
use crate::sql::{qualified, quoted};

/// Rows that others delete from the middle of a table are noticed this late.
const COUNT_ANEW: Duration = Duration::from_secs(3600);

/// What was counted so far, by table.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    tables: HashMap<String, Count>,
    counted: Option<Duration>,
}

#[derive(Clone, Copy, Debug)]
struct Count {
    rows: i64,
    /// The lowest and the highest serial number among them.
    ends: (i64, i64),
}

impl Counts {
    /// Forgets everything once in a while. `now` is monotonic.
    pub(crate) fn begin(&mut self, now: Duration) {
        if self.counted.is_none_or(|counted| now.saturating_sub(counted) >= COUNT_ANEW) {
            *self = Self { tables: HashMap::new(), counted: Some(now) };
        }
    }

    /// The rows of a table: those behind the highest serial number known are counted and added. A table without
    /// serial numbers has a row per key and is short.
    pub(crate) async fn rows(
        &mut self,
        client: &Client,
        table: &str,
        found: &Found,
    ) -> Result<u64, tokio_postgres::Error> {
        let from = qualified(table);
        let Some(serial) = found.serial().map(quoted) else {
            let row = client.query_typed_one(&format!("SELECT count(*) FROM {from}"), &[]).await?;
            return Ok(u64::try_from(row.try_get::<_, i64>(0)?).unwrap_or(0));
        };
        let ends =
            format!("SELECT coalesce(min({serial}), 0)::int8, coalesce(max({serial}), 0)::int8 FROM {from}");
        let ends = client.query_typed_one(&ends, &[]).await?;
        let ends: (i64, i64) = (ends.try_get(0)?, ends.try_get(1)?);
        let known = self.tables.get(table).copied();
        let known = known.filter(|known| known.ends.0 == ends.0 && known.ends.1 <= ends.1);
        let added = match known {
            Some(known) => {
                let added = format!("SELECT count(*) FROM {from} WHERE {serial} > $1");
                client.query_typed_one(&added, &[(&known.ends.1, Type::INT8)]).await?
            }
            None => client.query_typed_one(&format!("SELECT count(*) FROM {from}"), &[]).await?,
        };
        let count = Count { rows: known.map_or(0, |known| known.rows) + added.try_get::<_, i64>(0)?, ends };
        self.tables.insert(table.to_owned(), count);
        Ok(u64::try_from(count.rows).unwrap_or(0))
    }
}
