//! Several VMs of one process and a registry, without a host: time is a number, and requests and
//! answers are values.

mod entries;
mod failures;
mod model;
mod pages;
mod readings;
mod refreshing;
mod several_vms;
mod switching;
mod world;

use std::collections::HashMap;

use super::super::error::FetchError;
use super::super::fetched::{FetchMode, RegistryRequest};
use super::super::list::IncompleteList;
use super::*;

/// The shared data of a process.
#[derive(Debug, Default)]
pub(super) struct Process {
    values: HashMap<String, (Vec<u8>, u32)>,
    writes: u32,
}

impl SharedData for Process {
    fn read(&mut self, key: &str) -> Option<(Vec<u8>, Option<Version>)> {
        self.values.get(key).map(|(value, version)| (value.clone(), Some(Version(*version))))
    }

    fn write(&mut self, key: &str, value: &[u8], expected: Option<Version>) -> bool {
        let current = self.values.get(key).map(|(_, version)| *version);
        if let (Some(current), Some(Version(expected))) = (current, expected)
            && current != expected
        {
            return false;
        }
        self.writes += 1;
        self.values.insert(key.to_owned(), (value.to_vec(), self.writes));
        true
    }
}
