//! Serves a simulated device over Modbus TCP: the one file with sockets.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use smiles_source_modbus::device::Device;
use smiles_stage::Clock;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::SetupError;
use crate::handle::{Handle, Log, SharedState};
use crate::layout::{Layout, serial_style};
use crate::options::Options;
use crate::wire::{Reply, take_frame};
use crate::world::{Config, World};

/// The most connections at a time; more are closed at once.
const CONNECTIONS_MAX: usize = 256;
/// Time to let others go on after a listener has failed (out of file handles).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

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
    /// A device by its file. Simulated time begins now.
    ///
    /// # Errors
    /// The file cannot be simulated, or the units do not fit into its list.
    pub fn new(device: &Device, options: Options, clock: Arc<dyn Clock>) -> Result<Self, SetupError> {
        let layout = Layout::new(device)?;
        let records = usize::from(options.inverters) * usize::from(options.ports);
        if let Some(room) = layout.room().filter(|room| records > *room) {
            let Options { inverters, ports, .. } = options;
            return Err(SetupError::new(format!(
                "{inverters} inverters with {ports} ports make {records} records, but the device file's list has \
                 room for {room}; ask for fewer, or raise `repeat.max`"
            )));
        }
        if !(0.0..=TIME_SCALE_MAX).contains(&options.time_scale) {
            let scale = options.time_scale;
            return Err(SetupError::new(format!(
                "the time scale is {scale}; give a number from 0 to {TIME_SCALE_MAX}"
            )));
        }
        let start = options.start.unwrap_or_else(|| clock.now());
        let world = World::new(Config {
            inverters: options.inverters,
            ports: options.ports,
            seed: options.seed,
            start,
            latitude: options.latitude,
            longitude: options.longitude,
            serials: serial_style(device),
            rates: options.rates,
            events: options.events,
            ..Config::default()
        });
        Ok(Self(Arc::new(SharedState {
            layout,
            seed: options.seed,
            unit_id: options.unit_id,
            image: Mutex::new(options.image.map(Arc::new)),
            time_scale: options.time_scale,
            start,
            origin: clock.monotonic(),
            world: Mutex::new(world),
            faults: Mutex::new(options.faults),
            log: Mutex::new(Log::default()),
            asked: watch::Sender::new(0),
            clock,
        })))
    }

    /// Watches and steers it.
    pub fn handle(&self) -> Handle {
        Handle(Arc::clone(&self.0))
    }

    /// Serves it until `stop`; then every connection is closed.
    pub async fn serve(self, listener: TcpListener, stop: CancellationToken) {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                Some(_) = connections.join_next() => {}
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) if connections.len() < CONNECTIONS_MAX && !self.0.refuses() => {
                        connections.spawn(Connection::new(stream, Arc::clone(&self.0)).run());
                    }
                    Ok(_) => {}
                    Err(error) => {
                        tracing::warn!(%error, "cannot accept a connection");
                        self.0.clock.sleep_until(self.0.clock.monotonic() + ACCEPT_PAUSE).await;
                    }
                }
            }
        }
        connections.shutdown().await;
    }
}

/// One client; counted as open until dropped.
struct Connection {
    stream: TcpStream,
    inside: Arc<SharedState>,
}

impl Connection {
    fn new(stream: TcpStream, inside: Arc<SharedState>) -> Self {
        inside.connected();
        Self { stream, inside }
    }

    async fn run(mut self) {
        // The client hangs up, is cut off, or is no Modbus client: all the same to a device.
        let _ = self.talk().await;
    }

    async fn talk(&mut self) -> io::Result<()> {
        self.stream.set_nodelay(true)?;
        let mut buffer = Vec::new();
        loop {
            let taken = take_frame(&mut buffer).map_err(|_| io::Error::other("not Modbus"))?;
            let Some(frame) = taken else {
                if self.stream.read_buf(&mut buffer).await? == 0 {
                    return Ok(());
                }
                continue;
            };
            let in_flight = InFlight(Arc::clone(&self.inside));
            let reply = self.inside.asked(&frame);
            let (delay, dribble) = self.inside.pace();
            self.pause(delay).await;
            match reply {
                Reply::Nothing => {}
                Reply::HangUp => return Ok(()),
                Reply::Bytes(bytes) => self.send(&bytes, dribble).await?,
                Reply::BytesThenHangUp(bytes) => return self.send(&bytes, dribble).await,
            }
            drop(in_flight);
        }
    }

    async fn send(&mut self, bytes: &[u8], dribble: Option<Duration>) -> io::Result<()> {
        let Some(pause) = dribble else { return self.stream.write_all(bytes).await };
        for byte in bytes {
            self.stream.write_all(&[*byte]).await?;
            self.pause(pause).await;
        }
        Ok(())
    }

    async fn pause(&self, pause: Duration) {
        if !pause.is_zero() {
            let clock = &self.inside.clock;
            clock.sleep_until(clock.monotonic() + pause).await;
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.inside.disconnected();
    }
}

/// A request that waits for its answer, also when the connection is cut meanwhile.
struct InFlight(Arc<SharedState>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.answered();
    }
}
