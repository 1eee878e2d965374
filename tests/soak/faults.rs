//! What happens to the filter meanwhile: its registry changes and fails, its listeners are updated,
//! its VMs end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::Sabotage;
use crate::envoy::registry::{Registry, Reply};
use crate::hostile;
use crate::stage::{self, Gate, MAX_STALE, Stage};

/// What happened, for the report.
#[derive(Debug, Default)]
pub struct Happened {
    pub lists: AtomicU64,
    pub faults: AtomicU64,
    pub outages: AtomicU64,
    pub updates: AtomicU64,
    pub refused_updates: AtomicU64,
    pub kills: AtomicU64,
    pub floods: AtomicU64,
}

fn list(number: usize) -> Reply {
    Reply::json(&stage::list(number))
}

/// The registry: changes, faults, and outages that are longer than `max_stale`.
pub async fn registry(stage: Arc<Stage>, mut registry: Registry, happened: Arc<Happened>) {
    let seconds = Duration::from_secs;
    let mut current = 0;
    loop {
        // Each fault is shorter than max_stale: the old list serves.
        for fault in [
            list(1 - current).after(seconds(5)),
            Reply::status(500),
            Reply::body("<html>no list</html>").field("content-type", "text/html"),
            list(1 - current).short(),
        ] {
            if stage.sabotage == Some(Sabotage::Stale) {
                // The outage comes sooner.
                break;
            }
            stage.rest(seconds(4)).await;
            registry.serve("/clients", fault);
            happened.faults.fetch_add(1, Ordering::Relaxed);
            stage.rest(seconds(5)).await;
            // The right list again, which is not another one.
            registry.serve("/clients", list(current));
            refreshed(&stage, &registry).await;
            if stage.is_over() {
                return;
            }
        }
        for _ in 0..2 {
            current = 1 - current;
            stage.change(|now| now.list = None);
            registry.serve("/clients", list(current));
            happened.lists.fetch_add(1, Ordering::Relaxed);
            refreshed(&stage, &registry).await;
            stage.change(|now| now.list = Some(current));
            stage.rest(seconds(5)).await;
        }
        stage.change(|now| now.down = true);
        registry.stop().await;
        happened.outages.fetch_add(1, Ordering::Relaxed);
        stage.rest(MAX_STALE + seconds(5)).await;
        stage.change(|now| now.gone = true);
        stage.rest(seconds(5)).await;
        stage.change(|now| now.gone = false);
        registry.start_again().await;
        refreshed(&stage, &registry).await;
        stage.change(|now| now.down = false);
        if stage.is_over() {
            return;
        }
    }
}

/// Waits until every worker has what the registry has now. After a failure the next attempt may be
/// half a minute away.
async fn refreshed(stage: &Stage, registry: &Registry) {
    let before = registry.asked("/clients").len();
    let end = Instant::now() + Duration::from_secs(60);
    // The first request may have been under way.
    while registry.asked("/clients").len() < before + 3 {
        if stage.is_over() {
            return;
        }
        if Instant::now() > end {
            return stage.ledger.violation("the registry is not asked again".into());
        }
        stage.rest(Duration::from_millis(200)).await;
    }
    stage.rest(Duration::from_secs(2)).await;
}

/// Listeners: another module, another configuration, another server certificate.
pub async fn updates(stage: Arc<Stage>, happened: Arc<Happened>) {
    let mut generation = 0;
    for number in 1.. {
        stage.rest(Duration::from_secs(6)).await;
        if stage.is_over() {
            return;
        }
        generation = 1 - generation;
        stage.update(Gate::Static, number, generation).await;
        happened.updates.fetch_add(1, Ordering::Relaxed);
        stage.rest(Duration::from_secs(3)).await;
        if stage.is_over() {
            return;
        }
        stage.update_with_a_mistake().await;
        happened.refused_updates.fetch_add(1, Ordering::Relaxed);
        stage.update(Gate::Registry, number, 0).await;
        happened.updates.fetch_add(1, Ordering::Relaxed);
        if number % 2 == 0 && !stage.is_over() {
            stage.update(Gate::Victim, number / 2, 0).await;
            happened.updates.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// VMs end.
pub async fn kills(stage: Arc<Stage>, happened: Arc<Happened>) {
    loop {
        stage.rest(Duration::from_secs(15)).await;
        if stage.is_over() {
            return;
        }
        hostile::kill(&stage).await;
        happened.kills.fetch_add(1, Ordering::Relaxed);
    }
}

/// One client asks as fast as it can, for five seconds of every twenty.
pub async fn floods(stage: Arc<Stage>, happened: Arc<Happened>) {
    loop {
        stage.rest(Duration::from_secs(15)).await;
        if stage.is_over() {
            return;
        }
        stage.floods.store(true, Ordering::Relaxed);
        happened.floods.fetch_add(1, Ordering::Relaxed);
        stage.rest(Duration::from_secs(5)).await;
        stage.floods.store(false, Ordering::Relaxed);
    }
}
