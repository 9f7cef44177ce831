//! What is no PostgreSQL, or a broken one: it announces a gigabyte and sends it.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use arrow_schema::{DataType, Field, Schema};
use serde_json::json;
use smiles_stage::Action;
use smiles_testkit::MemoryFiles;

use crate::fixture::{RUN, context, plan};

const SSL_REQUEST: [u8; 4] = 80_877_103_u32.to_be_bytes();
/// The login is good, and the next question is waited for.
const WELCOME: [u8; 15] = [b'R', 0, 0, 0, 8, 0, 0, 0, 0, b'Z', 0, 0, 0, 5, b'I'];

/// Answers one connection; the bytes that it could send of its gigabyte are counted.
fn answer(mut stream: TcpStream, late: bool, sent: &AtomicUsize) -> std::io::Result<()> {
    let mut head = [0; 8];
    stream.read_exact(&mut head)?;
    if head[4..] == SSL_REQUEST {
        return stream.write_all(b"N");
    }
    let mut rest = vec![0; u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize - 8];
    stream.read_exact(&mut rest)?;
    if late {
        stream.write_all(&WELCOME)?;
        stream.read_exact(&mut [0])?;
    }
    stream.write_all(&[b'D', 0x40, 0, 0, 0])?;
    let zeros = vec![0; 1 << 16];
    for _ in 0..1 << 14 {
        stream.write_all(&zeros)?;
        sent.fetch_add(zeros.len(), Ordering::Relaxed);
    }
    Ok(())
}

/// Its port.
fn server(late: bool) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let sent = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&sent);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // The connection is closed by the other side, which is what is hoped for.
            drop(answer(stream, late, &counter));
        }
    });
    (port, sent)
}

#[tokio::test]
async fn a_server_that_announces_a_gigabyte_is_left_at_once() {
    let input = Arc::new(Schema::new(vec![Field::new("id", DataType::Int64, true)]));
    for (late, sslmode) in [(false, "disable"), (true, "disable"), (true, "prefer")] {
        let (port, sent) = server(late);
        let options = json!({
            "host": "127.0.0.1", "port": port, "database": "d", "user": "u", "password": "p", "sslmode": sslmode,
            "tables": { "t": { "columns": { "id": "id" } } }, "connect_timeout": "20s",
        });
        let sink = plan(&options, &MemoryFiles::default()).unwrap().wire(&input, None).unwrap();
        let mut sink = sink.open(context(), None).await.unwrap().sink;
        let asked = tokio::time::timeout(Duration::from_secs(10), sink.watermark(RUN)).await;
        let error = asked.expect("it is left at once").unwrap_err();
        assert!(error.chain().contains("announces a message of 1073741824 bytes"), "{}", error.chain());
        assert!(matches!(error.action(), Action::Retry { .. }), "{}", error.chain());
        // What fits into the buffers of two sockets on one machine.
        let sent = sent.load(Ordering::Relaxed);
        assert!(sent < 32 << 20, "{late} {sslmode}: {sent} bytes were taken");
    }
}
