//! Devices that answer, but not what was asked.

use crate::rig::{ANSWER, LIST, REGISTERS, Rig, exchange, hex, options, record, request};

#[tokio::test]
async fn exceptions_are_those_of_the_quirk() {
    let rows = [
        ("busy", "8306"),
        ("acknowledge", "8305"),
        ("gateway_path", "830a"),
        ("gateway_target", "830b"),
        ("missing=0x1000", "8302"),
        ("missing=0x1027..0x1050", "8302"),
        ("max_registers=19", "8303"),
    ];
    for (quirk, expected) in rows {
        let rig = Rig::new(options(&[quirk])).await;
        let answer = exchange(&mut rig.connect().await, &record(0), 9).await;
        assert_eq!(hex(&answer[7..]), expected, "{quirk}");
    }
}

#[tokio::test]
async fn exceptions_have_their_limits() {
    let rig = Rig::new(options(&["busy"])).await;
    let mut stream = rig.connect().await;
    for _ in 0..2 {
        assert_eq!(hex(&exchange(&mut stream, &record(0), 9).await[7..]), "8306");
        assert_eq!(exchange(&mut stream, &record(0), ANSWER).await.len(), ANSWER, "asked again");
    }
    assert_eq!(hex(&exchange(&mut stream, &record(0), 9).await[7..]), "8306");
    assert_eq!(hex(&exchange(&mut stream, &record(1), 9).await[7..]), "8306", "not the same question");

    let rig = Rig::new(options(&["acknowledge=1/2", "missing=0x1028..0x104F", "max_registers=20"])).await;
    let mut stream = rig.connect().await;
    assert_eq!(exchange(&mut stream, &record(0), ANSWER).await.len(), ANSWER);
    assert_eq!(hex(&exchange(&mut stream, &record(0), 9).await[7..]), "8305");
    assert_eq!(exchange(&mut stream, &record(2), ANSWER).await.len(), ANSWER, "behind the gap");
}

#[tokio::test]
async fn answers_under_another_number_or_unit() {
    let rows = [
        ("wrong_transaction", "1102", 1),
        ("wrong_transaction=zero", "0000", 1),
        ("wrong_transaction=swapped", "0201", 1),
        ("wrong_transaction=ahead", "0103", 1),
        ("wrong_transaction=ahead:1/2", "0102", 1),
        ("wrong_unit", "0102", 2),
        ("wrong_unit=1/20", "0102", 1),
    ];
    for (quirk, transaction, unit) in rows {
        let rig = Rig::new(options(&[quirk])).await;
        let asked = request(0x0102, 1, 3, LIST, REGISTERS);
        let answer = exchange(&mut rig.connect().await, &asked, ANSWER).await;
        assert_eq!((hex(&answer[..2]).as_str(), answer[6]), (transaction, unit), "{quirk}");
    }
}
