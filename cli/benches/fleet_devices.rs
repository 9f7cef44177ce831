//! `fleet-devices`: a thousand DTUs as cheap as can be, one for each address 127.1.x.y, each with inverters of its own.
//! Prints the port, then a line for each connection that was asked something: when, and of which device.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::fleet::{RECORDS, now};

/// All of them may connect in one moment.
const BACKLOG: u32 = 4_096;

pub(crate) fn serve() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0))).expect("a free port");
        let listener = socket.listen(BACKLOG).expect("it can listen");
        say(&listener.local_addr().expect("an address").port().to_string());
        loop {
            let (stream, _) = listener.accept().await.expect("enough file handles");
            tokio::spawn(talk(stream));
        }
    });
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).expect("somebody listens");
}

async fn talk(mut stream: TcpStream) {
    stream.set_nodelay(true).expect("a socket option");
    let SocketAddr::V4(own) = stream.local_addr().expect("an address") else { return };
    let [_, _, high, low] = own.ip().octets();
    let device = u16::from(high) * 250 + u16::from(low) - 1;
    let mut question = [0_u8; 12];
    let mut first = true;
    while stream.read_exact(&mut question).await.is_ok() {
        if std::mem::take(&mut first) {
            say(&format!("{} {device}", now()));
        }
        if stream.write_all(&answer(&question, device)).await.is_err() {
            return;
        }
    }
}

/// Records behind the last are zero, and so is what else is asked.
fn answer(question: &[u8; 12], device: u16) -> Vec<u8> {
    let address = u16::from_be_bytes([question[8], question[9]]);
    let bytes = question[11] * 2;
    let mut answer = question[..8].to_vec();
    answer[5] = bytes + 3;
    answer.push(bytes);
    match address.checked_sub(0x1000).map(|beyond| beyond / 40) {
        Some(index) if index < RECORDS => answer.extend(record(device, index)),
        _ => answer.resize(9 + usize::from(bytes), 0),
    }
    answer
}

fn record(device: u16, index: u16) -> [u8; 40] {
    let (inverter, port) = (index / 4, index % 4 + 1);
    let seconds = now() / 1_000_000;
    let watts = u16::try_from(180 + seconds % 60).unwrap_or_default();
    let today = u16::try_from(seconds % 40_000 / 20).unwrap_or_default();
    let total = u32::try_from(seconds % 100_000_000 / 20).unwrap_or_default();
    let mut record = [0; 40];
    record[..3].copy_from_slice(&[0x0c, 0x11, 0x61]);
    record[3..5].copy_from_slice(&device.to_be_bytes());
    record[6] = u8::try_from(inverter).unwrap_or_default();
    record[7] = u8::try_from(port).unwrap_or_default();
    for (at, value) in [(8, 350), (10, 500), (12, 2_300), (14, 5_000), (16, watts * 10), (18, today)] {
        record[at..at + 2].copy_from_slice(&u16::to_be_bytes(value));
    }
    record[20..24].copy_from_slice(&total.to_be_bytes());
    for (at, value) in [(24, 250), (26, 3)] {
        record[at..at + 2].copy_from_slice(&u16::to_be_bytes(value));
    }
    record[32..34].copy_from_slice(&[1, 7]);
    record
}
