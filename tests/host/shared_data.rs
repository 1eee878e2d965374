//! Shared data of the VMs of a process: `proxy_get_shared_data` and `proxy_set_shared_data`, as
//! `SharedData` of proxy-wasm-cpp-host implements them for one `vm_id`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use wasmtime::Result;

use super::guest::Guest;
use super::stream::Status;

/// One Envoy process, for the VMs that are started in it. A clone is the same process.
#[derive(Clone, Debug, Default)]
pub struct Process(Arc<Mutex<SharedData>>);

#[derive(Debug, Default)]
struct SharedData {
    /// Values, each with its compare-and-swap number. No entry is ever removed.
    entries: BTreeMap<Vec<u8>, (Vec<u8>, u32)>,
    last_cas: u32,
}

impl Process {
    pub fn new() -> Process {
        Process::default()
    }

    /// All entries, each with its compare-and-swap number.
    pub fn shared_data(&self) -> BTreeMap<Vec<u8>, (Vec<u8>, u32)> {
        self.lock().entries.clone()
    }

    pub fn get(&self, key: impl AsRef<[u8]>) -> Option<(Vec<u8>, u32)> {
        self.lock().entries.get(key.as_ref()).cloned()
    }

    /// Writes as a module does: with `cas` 0 always, with another number only if it is that of the
    /// entry or if the key does not exist.
    pub fn set(&self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>, cas: u32) -> Status {
        let mut data = self.lock();
        let present = data.entries.get(key.as_ref()).map(|(_, cas)| *cas);
        if present.is_some_and(|present| cas != 0 && cas != present) {
            return Status::CasMismatch;
        }
        // 0 is never the number of an entry.
        data.last_cas = data.last_cas.checked_add(1).unwrap_or(1);
        let entry = (value.as_ref().to_vec(), data.last_cas);
        data.entries.insert(key.as_ref().to_vec(), entry);
        Status::Ok
    }

    /// Writes unconditionally.
    pub fn write(&self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        self.set(key, value, 0);
    }

    // A panic elsewhere leaves no incomplete entry behind.
    fn lock(&self) -> MutexGuard<'_, SharedData> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Guest<'_> {
    pub fn get_shared_data(
        &mut self,
        key: (u32, u32),
        out: (u32, u32),
        cas_out: u32,
    ) -> Result<Status> {
        let key = self.read(key.0, key.1)?;
        let Some((value, cas)) = self.host().process.get(key) else { return Ok(Status::NotFound) };
        self.give(&value, out)?;
        self.write(cas_out, &cas.to_le_bytes())
    }

    pub fn set_shared_data(
        &mut self,
        key: (u32, u32),
        value: (u32, u32),
        cas: u32,
    ) -> Result<Status> {
        let (key, value) = (self.read(key.0, key.1)?, self.read(value.0, value.1)?);
        Ok(self.host().process.set(key, value, cas))
    }
}
