//! Makes the API known on the local network by multicast DNS, and takes that back at the end.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use mdns_sd::{IfKind, ServiceDaemon, ServiceInfo};
use smiles_stage::Process;

use crate::declare::config::discovery::Discovery;

/// How long the farewell may take.
const FAREWELL: Duration = Duration::from_millis(300);

/// An announcement; dropping it says goodbye.
pub(crate) struct Announcement {
    daemon: ServiceDaemon,
}

impl Announcement {
    /// Announces what listens there. What goes wrong is logged and costs the announcement alone: nobody needs it who
    /// knows host and port.
    pub(crate) fn new(
        declared: &Discovery,
        local: SocketAddr,
        process: &Process,
        token: bool,
    ) -> Option<Self> {
        // Nobody else reaches a loopback address; who names the interface wants it all the same.
        if !declared.enabled || (local.ip().is_loopback() && declared.interface.is_empty()) {
            return None;
        }
        match announce(declared, local, process, token) {
            Ok(daemon) => {
                tracing::info!(
                    service = declared.service,
                    name = declared.name,
                    "announced on the local network"
                );
                Some(Self { daemon })
            }
            Err(error) => {
                let advice =
                    "clients find the API by host and port; `discovery.enabled: false` ends this attempt";
                tracing::warn!(%error, advice, "cannot announce the API on the local network");
                None
            }
        }
    }
}

impl Drop for Announcement {
    fn drop(&mut self) {
        if let Ok(done) = self.daemon.shutdown() {
            let _ = done.recv_timeout(FAREWELL);
        }
    }
}

fn announce(
    declared: &Discovery,
    local: SocketAddr,
    process: &Process,
    token: bool,
) -> Result<ServiceDaemon, mdns_sd::Error> {
    let properties = [
        ("id", process.id.as_str()),
        ("version", process.version.as_str()),
        ("auth", if token { "1" } else { "0" }),
        ("name", declared.name.as_str()),
    ];
    let service = format!("{}.local.", declared.service);
    // Not the host's own name, which another responder (Avahi) may announce with other addresses.
    let host = format!("smiles-{}.local.", process.id.get(..12).unwrap_or("bridge"));
    let all_addresses = local.ip().is_unspecified();
    let addresses: &[IpAddr] = if all_addresses { &[] } else { &[local.ip()] };
    let mut info =
        ServiceInfo::new(&service, &declared.name, &host, addresses, local.port(), &properties[..])?;
    if all_addresses {
        info = info.enable_addr_auto();
    }
    let daemon = ServiceDaemon::new()?;
    let told = configure(&daemon, declared).and_then(|()| daemon.register(info));
    if let Err(error) = told {
        let _ = daemon.shutdown();
        return Err(error);
    }
    Ok(daemon)
}

fn configure(daemon: &ServiceDaemon, declared: &Discovery) -> Result<(), mdns_sd::Error> {
    if declared.interface.is_empty() {
        return daemon.disable_interface(vec![IfKind::LoopbackV4, IfKind::LoopbackV6]);
    }
    daemon.disable_interface(IfKind::All)?;
    daemon.enable_interface(IfKind::Name(declared.interface.clone()))
}
