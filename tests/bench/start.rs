//! What a worker costs before it serves: resident memory, and the time from the start of Envoy
//! until a token request is answered. Each variant is started in turns with the others.

use tokio::time::Instant;

use super::load::{Servers, Variant, start_envoy};
use crate::envoy::client::{Client, Delivery};
use crate::envoy::fixture::CERTIFICATES;
use crate::request::token_request;

const ROUNDS: usize = 7;
/// Requests on connections of their own, so that every worker serves some.
const REQUESTS: usize = 64;
const VARIANTS: [Variant; 3] = [Variant::Nothing, Variant::Calls(0), Variant::Filter];

/// Medians for a variant.
pub struct Start {
    pub variant: Variant,
    /// Resident octets of a process with one worker.
    pub resident: f64,
    /// Resident octets that each further worker adds.
    pub per_worker: f64,
    /// Seconds from the start of the process with one worker to the first answer.
    pub seconds: f64,
}

pub async fn measure(servers: Servers) -> Vec<Start> {
    let mut measured = VARIANTS.map(|_| (Vec::new(), Vec::new(), Vec::new()));
    for _ in 0..ROUNDS {
        for (variant, (resident, per_worker, seconds)) in VARIANTS.into_iter().zip(&mut measured) {
            let (one, until_answer) = started(variant, 1, servers).await;
            let (four, _) = started(variant, 4, servers).await;
            resident.push(one);
            per_worker.push((four - one) / 3.0);
            seconds.push(until_answer);
        }
    }
    let median = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or_default()
    };
    VARIANTS
        .into_iter()
        .zip(measured)
        .map(|(variant, (resident, per_worker, seconds))| Start {
            variant,
            resident: median(resident),
            per_worker: median(per_worker),
            seconds: median(seconds),
        })
        .collect()
}

/// Resident octets of an Envoy with these workers, and the seconds until its first answer.
async fn started(variant: Variant, workers: u32, servers: Servers) -> (f64, f64) {
    let begin = Instant::now();
    let envoy = start_envoy(variant, workers, servers).await;
    let mut until_answer = 0.0;
    for number in 0..REQUESTS {
        let answer = Client::new(&CERTIFICATES.seed)
            .send(envoy.address("gate"), &token_request(), Delivery::Http1Whole)
            .await
            .expect("an answer");
        assert_eq!(answer.status, 200, "{variant:?}: {}", envoy.log());
        if number == 0 {
            until_answer = begin.elapsed().as_secs_f64();
        }
    }
    (envoy.resident() as f64, until_answer)
}
