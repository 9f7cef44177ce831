//! RTU through adapters that pass bytes on: echoes, noise, damage, late answers; no value ever stands in another column.

use std::sync::Arc;
use std::time::Duration;

use smiles_stage::Source;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::mpsc;

use crate::harness::{column, counted, metered, plan, source};
use crate::late::{DEVICE, EVERY, an_hour, slow};

/// A question as it came, and which it is, from 1.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) number: u64,
    pub(crate) frame: [u8; 8],
}

/// What the line then carries, each piece after a pause.
type Pieces = Vec<(Duration, Vec<u8>)>;

/// Bit by bit, from the specification's own description: no code is shared with what is tested.
fn crc(bytes: &[u8]) -> [u8; 2] {
    let mut crc = 0xFFFF_u16;
    for byte in bytes {
        crc ^= u16::from(*byte);
        for _ in 0..8 {
            let carry = crc & 1 == 1;
            crc >>= 1;
            if carry {
                crc ^= 0xA001;
            }
        }
    }
    crc.to_le_bytes()
}

pub(crate) fn framed(unit: u8, pdu: &[u8]) -> Vec<u8> {
    let bytes = [&[unit], pdu].concat();
    [&bytes[..], &crc(&bytes)].concat()
}

/// The sound answer: each register holds its own address.
pub(crate) fn answer(asked: &Asked) -> Vec<u8> {
    let [unit, function, a1, a2, ..] = asked.frame;
    framed(unit, &[function, 2, a1, a2])
}

/// A serial line behind an adapter: whatever the line carries goes to the newest connection.
async fn adapter(mut script: impl FnMut(Asked) -> Pieces + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("rtu+tcp://{}", listener.local_addr().unwrap());
    let newest: Arc<tokio::sync::Mutex<Option<(u32, OwnedWriteHalf)>>> = Arc::default();
    let (questions, mut asked) = mpsc::unbounded_channel::<[u8; 8]>();
    let line = Arc::clone(&newest);
    tokio::spawn(async move {
        let mut number = 0;
        while let Some(frame) = asked.recv().await {
            assert_eq!(crc(&frame[..6]), frame[6..], "the question is sound");
            number += 1;
            for (pause, bytes) in script(Asked { number, frame }) {
                tokio::time::sleep(pause).await;
                if let Some((_, stream)) = line.lock().await.as_mut() {
                    stream.write_all(&bytes).await.ok();
                }
            }
        }
    });
    tokio::spawn(async move {
        let mut connections = 0;
        while let Ok((stream, _)) = listener.accept().await {
            stream.set_nodelay(true).unwrap();
            let (mut read, write) = stream.into_split();
            connections += 1;
            *newest.lock().await = Some((connections, write));
            let questions = questions.clone();
            let (closing, number) = (Arc::clone(&newest), connections);
            tokio::spawn(async move {
                let mut frame = [0; 8];
                while read.read_exact(&mut frame).await.is_ok() {
                    questions.send(frame).unwrap();
                }
                let mut newest = closing.lock().await;
                newest.take_if(|(newest, _)| *newest == number);
            });
        }
    });
    address
}

const AT_ONCE: Duration = Duration::ZERO;
const SOON: Duration = Duration::from_millis(20);

fn whole(parts: &[&[u8]]) -> Pieces {
    vec![(SOON, parts.concat())]
}

fn one_at_a_time(parts: &[&[u8]]) -> Pieces {
    parts.concat().into_iter().map(|byte| (Duration::from_millis(1), vec![byte])).collect()
}

/// The values of a pass and what its faults say.
pub(crate) async fn pass(source: &mut dyn Source) -> String {
    match source.next().await {
        Ok(pass) => {
            let pass = pass.unwrap();
            let cells = ["one", "two", "three"].map(|name| column(&pass.rows, name).concat());
            let faults: Vec<&str> = pass.faults.iter().map(|fault| fault.message.as_str()).collect();
            format!("{} {}", cells.join(" "), faults.join(", ")).trim_end().to_owned()
        }
        Err(error) => error.chain().split(" unit 1: ").nth(1).unwrap().to_owned(),
    }
}

#[tokio::test(start_paused = true)]
async fn answers_are_read_whatever_stands_around_them() {
    let noise = [0, 0xFF, 1, 3, 2];
    type Script = Box<dyn Fn(Asked) -> Pieces + Send>;
    let rows: [(&str, Script); 8] = [
        ("plain", Box::new(|asked| whole(&[&answer(&asked)]))),
        ("one at a time", Box::new(|asked| one_at_a_time(&[&answer(&asked)]))),
        ("echo", Box::new(|asked| whole(&[&asked.frame, &answer(&asked)]))),
        ("echo, one at a time", Box::new(|asked| one_at_a_time(&[&asked.frame, &answer(&asked)]))),
        ("cut echo", Box::new(|asked| one_at_a_time(&[&asked.frame[2..], &answer(&asked)]))),
        ("damaged echo", Box::new(|asked| whole(&[&asked.frame[..7], &[!asked.frame[7]], &answer(&asked)]))),
        ("noise", Box::new(move |asked| one_at_a_time(&[&noise, &answer(&asked), &noise]))),
        (
            "echo at once, then noise, then the answer in two",
            Box::new(move |asked| {
                let answer = answer(&asked);
                let (one, two) = answer.split_at(4);
                vec![
                    (AT_ONCE, asked.frame.to_vec()),
                    (SOON, noise.to_vec()),
                    (SOON, one.to_vec()),
                    (SOON, two.to_vec()),
                ]
            }),
        ),
    ];
    for (name, script) in rows {
        let address = adapter(script).await;
        let mut source = source(&format!("address: {address}\nconnection: keep"), DEVICE, EVERY).await;
        for _ in 0..3 {
            assert_eq!(pass(source.as_mut()).await, "1 2 3", "{name}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_damaged_answer_is_asked_for_again_and_named_where_it_stays_so() {
    let address = adapter(|asked| {
        let mut answer = answer(&asked);
        answer[4] ^= u8::from([2, 6, 7].contains(&asked.number));
        whole(&[&answer])
    })
    .await;
    let options = format!("address: {address}\nconnection: keep");
    let (mut source, meters) = metered(&options, DEVICE, EVERY).await;
    let damaged = "1 - 3 two: timed out after 3s (the answer was damaged: its CRC is wrong)";
    for expected in ["1 2 3", damaged, "1 2 3"] {
        assert_eq!(pass(source.as_mut()).await, expected);
    }
    let expected = [
        "smiles_modbus_crc_errors_total  3",
        "smiles_modbus_requests_total heard 8",
        "smiles_modbus_requests_total silence 3",
    ];
    assert_eq!(counted(&meters), expected);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_answer_is_named() {
    let mbap = |asked: Asked| {
        let [.., a2, _, _, _, _] = asked.frame;
        whole(&[&[0, 1, 0, 0, 0, 5, 1, 3, 2, 0, a2]])
    };
    type Script = fn(Asked) -> Pieces;
    let rows: [(Script, &str); 6] = [
        (
            mbap,
            "timed out after 3s (the answer looks like Modbus TCP: write `tcp://` in place of `rtu+tcp://`)",
        ),
        (
            |_| whole(&[&[0xFE, 0]]),
            "timed out after 3s (2 bytes came that are no answer: are baud rate and parity of the serial line right?)",
        ),
        (
            |asked| whole(&[&answer(&asked)[..6]]),
            "timed out after 3s (the answer stopped after 6 of 7 bytes)",
        ),
        (
            |_| whole(&[&framed(1, &[0x83, 2])]),
            "the device answered exception 2: illegal data address (asked: holding 1)",
        ),
        (
            |_| whole(&[&framed(7, &[3, 2, 0, 9])]),
            "timed out after 3s (it answered for unit 7 where 1 was asked; `tolerate: [wrong_unit]` would take it)",
        ),
        (
            |asked| whole(&[&asked.frame]),
            "timed out after 3s (nothing was heard yet: is `unit_id` right? a device that ignores what comes right \
             after connecting needs `connect_delay: 2s`)",
        ),
    ];
    for (script, expected) in rows {
        let address = adapter(script).await;
        let mut source = source(&format!("address: {address}"), DEVICE, EVERY).await;
        assert_eq!(pass(source.as_mut()).await, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_wrong_byte_count_is_taken_where_the_file_says_so() {
    let wrong = |asked: Asked| {
        let [unit, function, a1, a2, ..] = asked.frame;
        one_at_a_time(&[&asked.frame, &framed(unit, &[function, 0xFF, a1, a2])])
    };
    let address = adapter(wrong).await;
    let tolerant = format!("tolerate: [wrong_byte_count]\n{DEVICE}");
    let mut source = source(&format!("address: {address}"), &tolerant, EVERY).await;
    assert_eq!(pass(source.as_mut()).await, "1 2 3");
}

#[tokio::test(start_paused = true)]
async fn late_answers_of_an_hour_stand_in_no_other_column() {
    for more in ["", "\nconnection: keep"] {
        for echoes in [false, true] {
            let address = adapter(move |asked| {
                let echo = if echoes { asked.frame.to_vec() } else { Vec::new() };
                vec![(AT_ONCE, echo), (slow(asked.number), answer(&asked))]
            })
            .await;
            let options = format!("address: {address}\ntimeout: 2s{more}");
            let mut source = source(&options, DEVICE, EVERY).await;
            let came = an_hour(source.as_mut()).await;
            assert!(came > 30, "{more}, echoes {echoes}: {came} came");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_came_before_a_question_is_not_its_answer() {
    // The device says everything twice: in one piece, or the second time while nobody asks.
    type Script = fn(Asked) -> Pieces;
    let scripts: [Script; 2] = [
        |asked| whole(&[&answer(&asked), &answer(&asked)]),
        |asked| vec![(SOON, answer(&asked)), (SOON, answer(&asked))],
    ];
    for script in scripts {
        let address = adapter(script).await;
        let options = format!("address: {address}\nconnection: keep\nmin_delay: 100ms");
        let mut source = source(&options, DEVICE, EVERY).await;
        for _ in 0..3 {
            assert_eq!(pass(source.as_mut()).await, "1 2 3");
        }
    }
}

#[tokio::test]
async fn one_line_has_one_way_to_speak() {
    let _one = source("address: rtu+tcp://Localhost:1", DEVICE, EVERY).await;
    let folder = tempfile::tempdir().unwrap();
    let context =
        smiles_testkit::open_context(folder.path(), Arc::new(smiles_testkit::ManualClock::default()));
    let other = plan("address: tcp://localhost:1", DEVICE).unwrap_or_else(|problems| panic!("{problems:?}"));
    let said = other.open(context).await.err().unwrap().chain();
    assert!(said.contains("is asked as rtu+tcp://localhost:1 and here as tcp://localhost:1"), "{said}");
}

#[tokio::test(start_paused = true)]
async fn a_late_unit_on_a_shared_line_is_taken_for_no_other() {
    // Unit 2 answers after its time limit, most of the time while unit 1 is waited for.
    let address = adapter(|asked| {
        let [unit, function, _, register, ..] = asked.frame;
        let late = if unit == 2 { 2050 + asked.number % 3 * 40 } else { 20 };
        vec![(Duration::from_millis(late), framed(unit, &[function, 2, unit, register]))]
    })
    .await;
    let open = async |unit: u8| {
        source(&format!("address: {address}\ntimeout: 2s\nunit_id: {unit}"), DEVICE, EVERY).await
    };
    let (mut one, mut two) = (open(1).await, open(2).await);
    let mut heard = 0;
    for _ in 0..100 {
        let (first, second) = tokio::join!(one.next(), two.next());
        for (unit, pass) in [(1_u16, first), (2, second)] {
            let Ok(pass) = pass else { continue };
            let rows = pass.unwrap().rows;
            for (register, name) in (1..).zip(["one", "two", "three"]) {
                let cell = column(&rows, name).concat();
                let own = (unit * 256 + register).to_string();
                assert!(cell == "-" || cell == own, "{name} of unit {unit} is {cell}");
                heard += usize::from(unit == 1 && cell == own);
            }
        }
        tokio::time::sleep(EVERY).await;
    }
    assert_eq!(heard, 300, "unit 1 is heard whole");
}
