//! Answers of a registry, and the time until it is asked.

use std::time::Duration;

use crate::host::{HttpAnswer, HttpCall, Vm};

pub fn answer(status: u16, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> HttpAnswer {
    let status = (":status".to_string(), status.to_string().into_bytes());
    let headers = headers.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()));
    HttpAnswer {
        headers: std::iter::once(status).chain(headers).collect(),
        body: body.as_ref().to_vec(),
        trailers: Vec::new(),
    }
}

/// Advances the clock to the next tick and makes it.
#[track_caller]
pub fn tick(vm: &mut Vm) {
    let period = vm.tick_period().expect("a tick period is set");
    vm.set_clock(vm.clock() + u64::from(period) * 1_000_000);
    vm.tick().unwrap_or_else(|fault| panic!("{fault}"));
}

/// Ticks for this long.
#[track_caller]
pub fn elapse(vm: &mut Vm, time: Duration) {
    let end = vm.clock() + time.as_nanos() as u64;
    while vm.clock() < end {
        tick(vm);
    }
}

/// Ticks until `find` finds something, at most a thousand times.
#[track_caller]
pub fn tick_until<T>(vm: &mut Vm, mut find: impl FnMut(&mut Vm) -> Option<T>) -> T {
    for _ in 0..1000 {
        match find(vm) {
            Some(found) => return found,
            None => tick(vm),
        }
    }
    panic!("nothing was found after a thousand ticks");
}

/// Ticks until the module makes a call.
#[track_caller]
pub fn tick_until_call(vm: &mut Vm) -> HttpCall {
    tick_until(vm, |vm| vm.calls().into_iter().next())
}

/// The only pending call.
#[track_caller]
pub fn only_call(vm: &Vm) -> HttpCall {
    let mut calls = vm.calls();
    assert_eq!(calls.len(), 1, "{calls:?}");
    calls.remove(0)
}
