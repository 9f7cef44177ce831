//! The socket that an API listens on. While its pipeline is reloaded the old API and the new one hold the same one, so that
//! no client is turned away and nobody else can take the port in between.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use smiles_stage::OpenContext;
use tokio::net;

use crate::declare::check::Address;

/// One socket, and whose it is.
pub(crate) struct Listening {
    owner: Owner,
    listener: TcpListener,
}

/// Whose it is: a stage of a pipeline, which its data folder tells from others of that name.
#[derive(PartialEq)]
struct Owner {
    data_dir: PathBuf,
    pipeline: String,
    stage: String,
    host: String,
    port: u16,
}

/// The sockets of this process. They are of the process and not of a pipeline: the one that is reloaded knows nothing of the
/// one that takes its place.
static OPEN: Mutex<Vec<Weak<Listening>>> = Mutex::new(Vec::new());

impl Listening {
    /// The socket that this stage has already, or one of its own.
    pub(crate) async fn of(context: &OpenContext, address: &Address) -> io::Result<Arc<Self>> {
        let Address { host, port } = address;
        let owner = Owner {
            data_dir: context.data_dir.clone(),
            pipeline: context.pipeline.clone(),
            stage: context.stage.clone(),
            host: host.clone(),
            port: *port,
        };
        if let Some(open) = find(&owner) {
            return Ok(open);
        }
        let listener = net::TcpListener::bind((host.as_str(), *port)).await?.into_std()?;
        let listening = Arc::new(Self { owner, listener });
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|known| known.strong_count() > 0);
        open.push(Arc::downgrade(&listening));
        Ok(listening)
    }

    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// To accept connections from it.
    pub(crate) fn accepting(&self) -> io::Result<net::TcpListener> {
        net::TcpListener::from_std(self.listener.try_clone()?)
    }
}

fn find(owner: &Owner) -> Option<Arc<Listening>> {
    let open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    open.iter().filter_map(Weak::upgrade).find(|listening| listening.owner == *owner)
}
