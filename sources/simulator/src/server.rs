//! Serves a simulated device to those who connect.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use smiles_source_modbus::device::Device;
use smiles_stage::Clock;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::SetupError;
use crate::connection::Connection;
use crate::faults::Clients;
use crate::framing::Framing;
use crate::handle::Handle;
use crate::layout::{Layout, serial_style};
use crate::lock::locked;
use crate::log::Log;
use crate::options::Options;
use crate::shared::SharedState;
use crate::unit::Unit;
use crate::world::{Config, World};

/// The most connections at a time; more are closed at once.
const CONNECTIONS_MAX: usize = 256;
/// Time to let others go on after a listener has failed (out of file handles).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

const REFUSE_CONNECT: u64 = 313;

/// Time cannot run faster: after an hour unasked, a world of that speed has ten years to catch up on.
const TIME_SCALE_MAX: f64 = 100_000.0;

/// A simulated device, not yet served.
#[derive(Debug)]
pub struct Simulator(Arc<SharedState>);

/// Serves a device until `stop`; for those who need no [`Handle`].
///
/// # Errors
/// As [`Simulator::new`].
pub async fn serve(
    listener: TcpListener,
    device: &Device,
    options: Options,
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
) -> Result<(), SetupError> {
    Simulator::new(device, options, clock)?.serve(listener, stop).await;
    Ok(())
}

impl Simulator {
    /// A device by its file, once for each unit of the options. Simulated time begins now.
    ///
    /// # Errors
    /// As [`Simulator::of`].
    pub fn new(device: &Device, options: Options, clock: Arc<dyn Clock>) -> Result<Self, SetupError> {
        let units: Vec<_> = options.unit_ids.iter().map(|unit| (*unit, device)).collect();
        Self::of(&units, options, clock)
    }

    /// Several devices behind one listener, each by its unit. Simulated time begins now.
    ///
    /// # Errors
    /// A file cannot be simulated, its list is too short for the records, or a unit is there twice.
    pub fn of(
        devices: &[(u8, &Device)],
        options: Options,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, SetupError> {
        if !(0.0..=TIME_SCALE_MAX).contains(&options.time_scale) {
            let scale = options.time_scale;
            return Err(SetupError::new(format!(
                "the time scale is {scale}; give a number from 0 to {TIME_SCALE_MAX}"
            )));
        }
        let start = options.start.unwrap_or_else(|| clock.now());
        let image = options.image.clone().map(Arc::new);
        let mut units: Vec<Unit> = Vec::new();
        let devices = devices.iter().flat_map(|(id, device)| device.by_unit(*id));
        for (place, (id, device)) in (0_u64..).zip(devices) {
            let device = &device;
            if units.iter().any(|unit| unit.id == id) {
                return Err(SetupError::new(format!("unit {id} is there twice")));
            }
            let layout = layout(device, &options)?;
            // Devices that were the same to the last digit would be one.
            let seed = options.seed.wrapping_add(place);
            let world = World::new(Config {
                inverters: options.inverters,
                ports: options.ports,
                seed,
                start,
                latitude: options.latitude,
                longitude: options.longitude,
                serials: serial_style(device),
                rates: options.rates,
                events: options.events.clone(),
                ..Config::default()
            });
            units.push(Unit::new(id, layout, world, image.clone()));
        }
        if units.is_empty() {
            return Err(SetupError::new("there is no unit to answer for"));
        }
        Ok(Self(Arc::new(SharedState {
            units,
            seed: options.seed,
            time_scale: options.time_scale,
            start,
            origin: clock.monotonic(),
            faults: Mutex::new(options.faults),
            log: Mutex::new(Log::default()),
            asked: watch::Sender::new(0),
            put_off: Mutex::new(None),
            late: Mutex::new(Vec::new()),
            turn: Semaphore::new(1),
            clock,
        })))
    }

    /// Watches and steers it.
    pub fn handle(&self) -> Handle {
        Handle(Arc::clone(&self.0))
    }

    /// Serves it over Modbus TCP until `stop`; then every connection is closed.
    pub async fn serve(self, listener: TcpListener, stop: CancellationToken) {
        self.serve_framed(listener, Framing::Tcp, stop).await;
    }

    /// The same with other frames.
    pub async fn serve_framed(self, listener: TcpListener, framing: Framing, stop: CancellationToken) {
        let mut connections = JoinSet::new();
        let mut knocks = 0;
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                Some(_) = connections.join_next() => {}
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        knocks += 1;
                        if connections.len() < CONNECTIONS_MAX && self.takes(knocks) && is_prompt(&stream) {
                            connections.spawn(Connection::new(stream, framing, Arc::clone(&self.0)).run());
                        }
                    }
                    Err(error) => {
                        tracing::warn!(%error, "cannot accept a connection");
                        self.0.clock.sleep_until(self.0.clock.monotonic() + ACCEPT_PAUSE).await;
                    }
                }
            }
        }
        connections.shutdown().await;
    }

    /// Serves it in RTU frames on a line that is open already, until `stop` or until the line ends.
    pub async fn serve_line<S>(self, mut line: S, stop: CancellationToken)
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        // Nobody can hang up a line: a device that would begins anew.
        let talks = async {
            while Connection::new(&mut line, Framing::Rtu, Arc::clone(&self.0)).run().await {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            () = talks => {}
            () = stop.cancelled() => {}
        }
    }

    /// Whether it talks to the `number`-th client (from 1) that connects.
    fn takes(&self, number: u64) -> bool {
        let faults = locked(&self.0.faults).clone();
        let taken = faults.clients == Clients::One && locked(&self.0.log).counters.open > 0;
        !taken
            && !faults.refuse_connect.strikes(number, self.0.seed, REFUSE_CONNECT)
            && !self.0.refuses(&faults)
    }
}

/// Has answers sent at once; fails on a connection that is gone again.
fn is_prompt(stream: &TcpStream) -> bool {
    stream.set_nodelay(true).is_ok()
}

/// The addresses of a device that has room for what it is to show.
fn layout(device: &Device, options: &Options) -> Result<Layout, SetupError> {
    let layout = Layout::new(device)?;
    let Options { inverters, ports, .. } = options;
    let records = usize::from(*inverters) * usize::from(*ports);
    if let Some(room) = layout.room().filter(|room| records > *room) {
        return Err(SetupError::new(format!(
            "{inverters} inverters with {ports} ports make {records} records, but the device file's list has room for \
             {room}; ask for fewer, or raise `repeat.max`"
        )));
    }
    Ok(layout)
}
