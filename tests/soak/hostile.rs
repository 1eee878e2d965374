//! Clients that flood, leave and stop, one that kills VMs, and what must not be.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::Sabotage;
use crate::envoy::client::Delivery;
use crate::envoy::fixture::{post, token};
use crate::envoy::http1;
use crate::ledger::Seen;
use crate::stage::{Gate, Stage};
use crate::traffic::{Connection, Open, Sent, Who, ask, pass, refuse, with_many_fields};

/// A client that asks without a pause while [`Stage::floods`].
pub async fn flood(stage: Arc<Stage>) {
    let questions = [
        (token("nobody"), refuse("unknown_client")),
        (token("dns"), refuse("subject_mismatch")),
        (token("seed"), pass("authenticated")),
    ];
    while !stage.is_over() {
        let floods = || stage.floods.load(Ordering::Relaxed) && !stage.is_over();
        if !floods() {
            stage.rest(Duration::from_millis(200)).await;
            continue;
        }
        let open = Open::new(&stage, Gate::Static, Who::Seed, false).await;
        let Some(mut open) = open else { continue };
        for (request, policy) in questions.iter().cycle() {
            let whole = Delivery::Http1Whole;
            if !floods() || !ask(&stage, Gate::Static, &mut open, request, whole, *policy).await {
                break;
            }
        }
    }
}

/// Clients that leave in the middle of a body: nothing is decided, and nothing arrives.
pub async fn leave(stage: Arc<Stage>) {
    let mut number = 0;
    while !stage.is_over() {
        number += 1;
        let gate = Gate::ALL[number % 3];
        let request = token(if gate == Gate::Registry { "always" } else { "seed" });
        let part = match stage.sabotage {
            Some(Sabotage::Unfinished) => request.body.len(),
            _ => number % request.body.len(),
        };
        if let Some(mut open) = Open::new(&stage, gate, Who::Seed, number % 2 == 0).await {
            let tag = stage.ledger.next_tag();
            match &mut open.connection {
                Connection::Http1(connection) => {
                    let length = format!("content-length: {}", request.body.len());
                    let head = http1::head(&tag, &request, &[&length]);
                    let _ = connection.write(&[&head, &request.body[..part]].concat()).await;
                }
                Connection::Http2(connection) => {
                    for reason in [h2::Reason::CANCEL, h2::Reason::INTERNAL_ERROR] {
                        if let Ok(mut stream) = connection.open(&tag, &request, false).await {
                            let _ = stream.data(&request.body[..part], false);
                            stream.body.send_reset(reason);
                        }
                    }
                    let _ = connection.open(&stage.ledger.next_tag(), &request, false).await;
                }
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        stage.rest(Duration::from_millis(100)).await;
    }
}

/// A connection that stops at some point, for eight seconds.
pub async fn half_open(stage: Arc<Stage>, place: usize) {
    let request = token("seed");
    while !stage.is_over() {
        let gate = Gate::ALL[place % 3];
        let held = match place % 4 {
            0 | 1 => match TcpStream::connect(stage.address(gate)).await {
                Ok(mut stream) => {
                    if place % 4 == 1 {
                        // The head of a record, without the ClientHello.
                        let _ = stream.write_all(&[22, 3, 1, 2, 0, 1, 0]).await;
                    }
                    (Some(stream), None)
                }
                Err(_) => (None, None),
            },
            stop => {
                let mut open = Open::new(&stage, gate, Who::Seed, false).await;
                if let Some(Open { connection: Connection::Http1(connection), .. }) = &mut open {
                    let length = format!("content-length: {}", request.body.len());
                    let head = http1::head(&stage.ledger.next_tag(), &request, &[&length]);
                    let end = if stop == 2 { head.len() / 2 } else { head.len() };
                    let _ = connection.write(&head[..end]).await;
                }
                (None, open)
            }
        };
        stage.rest(Duration::from_secs(8)).await;
        drop(held);
    }
}

/// Sends a request by which its VM ends. It may take until the next one is there.
pub async fn kill(stage: &Arc<Stage>) {
    stage.expect_kill();
    let Some(mut open) = Open::new(stage, Gate::Victim, Who::Seed, false).await else { return };
    let tag = stage.ledger.next_tag();
    let sent = Instant::now();
    let request = with_many_fields(token("seed"));
    let seen = open.send(&tag, &request, Delivery::Http1Whole).await;
    stage.ledger.killed(sent);
    match seen {
        Sent::Seen(Seen::Answer(answer)) if answer.status == 503 => {}
        Sent::Seen(Seen::Nothing(_)) => {}
        Sent::Seen(Seen::Answer(answer)) => {
            stage.ledger.violation(format!("the switch killed nothing: {}", answer.status));
        }
        Sent::Not => {}
    }
    stage.expect_kill();
}

/// What must not be: bodies that are begun and held, more and more.
pub async fn pile_up(stage: Arc<Stage>) {
    let request = post("/token", &"x".repeat(60_000));
    let mut held = Vec::new();
    while !stage.is_over() {
        let Some(open) = Open::new(&stage, Gate::Victim, Who::Seed, true).await else { continue };
        let mut streams = Vec::new();
        if let Connection::Http2(connection) = &open.connection {
            for _ in 0..50 {
                let tag = stage.ledger.next_tag();
                if let Ok(mut stream) = connection.open(&tag, &request, false).await {
                    let _ = stream.data(&request.body, false);
                    streams.push(stream);
                }
            }
        }
        held.push((open, streams));
        stage.rest(Duration::from_millis(500)).await;
    }
}

/// What must not be: decisions that nobody knows of.
pub async fn ask_secretly(stage: Arc<Stage>) {
    while !stage.is_over() {
        if let Some(mut open) = Open::new(&stage, Gate::Static, Who::Seed, false).await {
            let tag = stage.ledger.next_tag();
            let _ = open.send(&tag, &token("nobody"), Delivery::Http1Whole).await;
        }
        stage.rest(Duration::from_millis(50)).await;
    }
}
