//! What a test can see and set in a VM.

use std::collections::BTreeMap;

use super::abi::Account;
use super::{Fault, Foreign, Process, Stream, StreamId, Vm};

impl Vm {
    /// The process that the VM belongs to.
    pub fn process(&self) -> &Process {
        &self.store.data().process
    }

    /// The tick period in milliseconds; `None` if the timer does not run.
    pub fn tick_period(&self) -> Option<u32> {
        self.store.data().roots.get(&self.root).copied().flatten()
    }

    /// The clock, in nanoseconds since 1970.
    pub fn clock(&self) -> u64 {
        self.store.data().clock
    }

    /// Sets by how many nanoseconds each reading of the clock advances it.
    pub fn set_clock_step(&mut self, nanoseconds: u64) {
        self.store.data_mut().clock_step = nanoseconds;
    }

    /// Makes the host refuse to remove this header.
    pub fn refuse_removal(&mut self, name: &str) {
        self.store.data_mut().unremovable = Some(name.to_owned());
    }

    /// Makes the host refuse to write this header.
    pub fn refuse_write(&mut self, name: &str) {
        self.store.data_mut().unwritable = Some(name.to_owned());
    }

    /// Sets what a call of a foreign function does.
    pub fn set_foreign(&mut self, foreign: Foreign) {
        self.store.data_mut().foreign = foreign;
    }

    pub fn set_clock(&mut self, nanoseconds: u64) {
        self.store.data_mut().clock = nanoseconds;
    }

    pub fn stream(&self, id: StreamId) -> &Stream {
        &self.store.data().streams[&id.0]
    }

    /// The value of a metric; `None` if it was not defined.
    pub fn metric(&self, name: &str) -> Option<u64> {
        let mut same =
            self.store.data().metrics.iter().filter(|metric| metric.name == name).peekable();
        same.peek()?;
        Some(same.map(|metric| metric.value).sum())
    }

    pub fn metric_names(&self) -> Vec<String> {
        self.store.data().metrics.iter().map(|metric| metric.name.clone()).collect()
    }

    /// The account of the root context of the configuration in force.
    pub fn root_account(&mut self) -> &Account {
        self.store.data_mut().accounts.entry(self.root).or_default()
    }

    /// Takes the places that a profiled module reported since the last time.
    pub fn take_places(&mut self) -> Vec<(u32, u64)> {
        std::mem::take(&mut self.store.data_mut().places)
    }

    /// What was added to each counter since the last time, by the next tick too, at which the
    /// filter hands over what it counted.
    pub fn take_counted(&mut self) -> Result<BTreeMap<String, u64>, Fault> {
        if self.tick_period().is_some() {
            self.tick()?;
        }
        Ok(std::mem::take(
            &mut self.store.data_mut().accounts.entry(self.root).or_default().counted,
        ))
    }

    /// The size of the VM's memory.
    pub fn memory_bytes(&mut self) -> usize {
        self.instance
            .get_memory(&mut self.store, "memory")
            .map_or(0, |memory| memory.data_size(&self.store))
    }

    /// The streams that are held at their end.
    pub fn waiting(&self) -> Vec<StreamId> {
        let streams = self.store.data().streams.iter();
        streams.filter(|(_, stream)| stream.waits()).map(|(id, _)| StreamId(*id)).collect()
    }
}
