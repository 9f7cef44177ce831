//! Answers are found in whatever an adapter delivers.

use proptest::prelude::*;

use super::*;

const UNIT: u8 = 5;

fn asked(data_bytes: usize) -> Asked {
    Asked { transaction: 0, unit: UNIT, function: 3, data_bytes }
}

fn question(address: u16, words: u16) -> Vec<u8> {
    let ([a1, a2], [c1, c2]) = (address.to_be_bytes(), words.to_be_bytes());
    framed(UNIT, &[3, a1, a2, c1, c2])
}

fn answer(data: &[u8]) -> Vec<u8> {
    framed(UNIT, &[&[3, u8::try_from(data.len()).unwrap()], data].concat())
}

/// All frames found when the bytes come in pieces of these lengths.
fn found(bytes: &[u8], cuts: &[usize], awaited: Awaited<'_>) -> Vec<Frame> {
    let (mut buffer, mut rest, mut frames) = (Vec::new(), bytes, Vec::new());
    let mut cuts = cuts.iter().copied().cycle();
    while !rest.is_empty() {
        let (piece, later) = rest.split_at(cuts.next().unwrap_or(1).clamp(1, rest.len()));
        buffer.extend_from_slice(piece);
        while let Some(frame) = take_frame(&mut buffer, awaited) {
            frames.push(frame);
        }
        assert!(buffer.len() <= KEPT);
        rest = later;
    }
    frames
}

/// PDUs of the unit and function asked.
fn own_pdus(bytes: &[u8], cuts: &[usize], awaited: Awaited<'_>) -> Vec<Vec<u8>> {
    let own = |frame: &Frame| frame.unit == UNIT && frame.pdu.first().is_some_and(|it| it & 0x7F == 3);
    found(bytes, cuts, awaited).into_iter().filter(own).map(|frame| frame.pdu).collect()
}

#[test]
fn frames_end_in_the_crc_of_the_specification() {
    assert_eq!(framed(1, &[3, 0, 0, 0, 10]), [1, 3, 0, 0, 0, 10, 0xC5, 0xCD]);
    assert_eq!(framed(2, &[7]), [2, 7, 0x41, 0x12]);
}

#[test]
fn lines_rest_as_long_as_the_specification_says() {
    for (baud, micros) in [(300, 128_333), (9600, 4010), (19200, 2005), (38400, 1750), (0, 38_500_000)] {
        assert_eq!(silence(baud), Duration::from_micros(micros), "{baud}");
    }
}

#[test]
fn what_is_no_answer_is_passed_over() {
    let (question, answer) = (question(0x0400, 2), answer(&[1, 2, 3, 4]));
    let pdu = [3, 4, 1, 2, 3, 4].to_vec();
    let exception = framed(UNIT, &[0x83, 2]);
    let damaged = {
        let mut it = answer.clone();
        it[4] ^= 1;
        it
    };
    // This question begins as its answer does: unit, function, 4.
    let damaged_echo = {
        let mut it = question.clone();
        it[7] ^= 1;
        it
    };
    let wrong_count = framed(UNIT, &[3, 255, 1, 2, 3, 4]);
    type Row<'a> = (&'a str, Vec<&'a [u8]>, Vec<Vec<u8>>);
    let (strange, none) = (framed(UNIT, &[0x83, 0x40]), framed(UNIT, &[3, 0]));
    let rows: [Row<'_>; 15] = [
        ("plain", vec![&answer], vec![pdu.clone()]),
        ("echo", vec![&question, &answer], vec![pdu.clone()]),
        ("echo twice", vec![&question, &question, &answer], vec![pdu.clone()]),
        ("echo without its beginning", vec![&question[3..], &answer], vec![pdu.clone()]),
        ("echo without its end", vec![&question[..5], &answer], vec![pdu.clone()]),
        ("damaged echo", vec![&damaged_echo, &answer], vec![pdu.clone()]),
        ("damaged echo, exception", vec![&damaged_echo, &exception], vec![vec![0x83, 2]]),
        ("echo alone", vec![&question], vec![]),
        ("noise", vec![&[0, 255, UNIT, 3, 4], &answer, &[UNIT, 3, 0]], vec![pdu.clone()]),
        ("damaged", vec![&damaged], vec![]),
        ("damaged, then sound", vec![&damaged, &answer], vec![pdu.clone()]),
        ("a long frame seems to begin", vec![&[9, 4, 200], &answer], vec![pdu]),
        ("a code of its own", vec![&strange], vec![vec![0x83, 0x40]]),
        ("none", vec![&none], vec![vec![3, 0]]),
        ("wrong count", vec![&wrong_count], vec![]),
    ];
    for (name, parts, expected) in rows {
        let bytes = parts.concat();
        for cut in [1, 2, 7, bytes.len()] {
            let awaited = Awaited { asked: asked(4), question: &question, any_count: false };
            assert_eq!(own_pdus(&bytes, &[cut], awaited), expected, "{name}, {cut} at a time");
        }
    }
    let tolerant = Awaited { asked: asked(4), question: &question, any_count: true };
    assert_eq!(own_pdus(&wrong_count, &[1], tolerant), [[3, 255, 1, 2, 3, 4]]);
    assert_eq!(own_pdus(&framed(UNIT, &[3, 0]), &[1], tolerant), [[3, 0]], "none is none");
}

#[test]
fn an_answer_that_holds_another_answer_is_one() {
    let inner = answer(&[7, 7]);
    let outer = answer(&[&inner[..], &[0, 0, 0]].concat());
    let awaited = Awaited { asked: asked(10), question: &question(0, 5), any_count: false };
    for cut in 1..=outer.len() {
        assert_eq!(own_pdus(&outer, &[cut], awaited), [&outer[1..outer.len() - 2]], "{cut} at a time");
    }
}

#[test]
fn an_echo_that_begins_as_an_answer_would_is_none() {
    // The first five bytes of some questions are a sound answer without data, the first seven of others one with a word.
    let mut met = 0;
    for unit in 1..=247 {
        for address in 0..=0x02FF {
            let [a1, a2] = u16::to_be_bytes(address);
            let question = framed(unit, &[3, a1, a2, 0, 1]);
            if crc(&question[..5]) != 0 && crc(&question[..7]) != 0 {
                continue;
            }
            met += 1;
            let asked = Asked { unit, ..asked(2) };
            let answer = framed(unit, &[3, 2, 0x55, 0xAA]);
            let awaited = Awaited { asked, question: &question, any_count: true };
            let frames = found(&[&question[..], &answer].concat(), &[1], awaited);
            assert_eq!(frames, [Frame { transaction: None, unit, pdu: vec![3, 2, 0x55, 0xAA] }]);
        }
    }
    assert!(met > 0, "there are such questions");
}

#[test]
fn what_others_say_is_told_apart_from_what_was_asked() {
    let other = framed(9, &[4, 2, 0, 1]);
    let question = question(0, 1);
    let awaited = Awaited { asked: asked(2), question: &question, any_count: false };
    let bytes = [&question[..], &other, &answer(&[0, 7])].concat();
    let units: Vec<u8> = found(&bytes, &[1], awaited).iter().map(|frame| frame.unit).collect();
    assert_eq!(units, [9, UNIT]);
    assert_eq!(own_pdus(&bytes, &[bytes.len()], awaited), [[3, 2, 0, 7]]);
}

#[test]
fn modbus_tcp_is_known_by_its_header() {
    let rows: [(&[u8], bool); 4] = [
        (&[0, 1, 0, 0, 0, 5, UNIT, 3, 2, 0, 7], true),
        (&[UNIT, 3, 0, 0, 0, 3, 0, 0x83, 1], true),
        (&[0, 1, 0, 0, 0, 5, UNIT, 3, 2, 0], false),
        (&[UNIT, 3, 2, 0, 7, 1, 2], false),
    ];
    for (bytes, expected) in rows {
        assert_eq!(looks_like_mbap(bytes, asked(2)), expected, "{bytes:02x?}");
    }
}

#[test]
fn what_came_instead_of_an_answer_is_named() {
    let damaged = [UNIT, 3, 2, 0, 7, 1, 2];
    let rows: [(&[u8], Option<FrameError>); 7] = [
        (&[], None),
        (&damaged, Some(FrameError::Damaged)),
        (&damaged[..6], None),
        (&[UNIT, 0x83, 2, 0, 0], Some(FrameError::Damaged)),
        (&[UNIT, 0x83, 2, 0], Some(FrameError::Noise { held: 4 })),
        (&[0xFE, 0, 0xFE], Some(FrameError::Noise { held: 3 })),
        (&[0, 1, 0, 0, 0, 5, UNIT, 3, 2, 0, 7], Some(FrameError::Mbap)),
    ];
    for (bytes, expected) in rows {
        assert_eq!(remains(bytes, asked(2)), expected, "{bytes:02x?}");
    }
}

fn noise() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![any::<u8>(), Just(UNIT), 0_u8..=6, Just(0x83)];
    prop::collection::vec(byte, 0..24)
}

fn echo() -> impl Strategy<Value = (usize, usize, Option<(usize, u8)>)> {
    (0..=8_usize, 0..=8_usize, prop::option::of((0..8_usize, 1..=255_u8)))
}

proptest! {
    #[test]
    fn an_answer_is_found_once_and_whole_however_it_comes(
        address: u16, data in prop::collection::vec(any::<u8>(), 1..=125), (from, to, flip) in echo(),
        before in noise(), between in noise(), cuts in prop::collection::vec(1..40_usize, 1..20),
    ) {
        let data = [&data[..], &data].concat();
        let question = question(address, u16::try_from(data.len() / 2).unwrap());
        let mut echo = question.clone();
        if let Some((place, bits)) = flip {
            echo[place] ^= bits;
        }
        let echo = echo.get(from..to).unwrap_or_default();
        let answer = answer(&data);
        let bytes = [&before[..], echo, &between, &answer].concat();
        let awaited = Awaited { asked: asked(data.len()), question: &question, any_count: false };
        prop_assert_eq!(own_pdus(&bytes, &cuts, awaited), [&answer[1..answer.len() - 2]]);
    }

    #[test]
    fn a_damaged_answer_is_none(
        data in prop::collection::vec(any::<u8>(), 2..=250), place: prop::sample::Index, bit in 0..8_u8,
        after in noise(), cuts in prop::collection::vec(1..40_usize, 1..20),
    ) {
        let mut bytes = answer(&data);
        let place = place.index(bytes.len());
        bytes[place] ^= 1 << bit;
        bytes.extend(after);
        let question = question(1, 1);
        let awaited = Awaited { asked: asked(data.len()), question: &question, any_count: false };
        let taken = own_pdus(&bytes, &cuts, awaited);
        prop_assert!(taken.iter().all(|pdu| pdu.len() != data.len() + 2), "{:?}", taken);
    }

    #[test]
    fn any_bytes_are_survived(
        bytes in prop::collection::vec(prop_oneof![any::<u8>(), 0..=5_u8, Just(0x83)], 0..2000),
        cuts in prop::collection::vec(1..600_usize, 1..20), words in 0..=125_usize, any_count: bool,
        question in prop::collection::vec(0..=5_u8, 0..8),
    ) {
        found(&bytes, &cuts, Awaited { asked: asked(words * 2), question: &question, any_count });
    }
}
