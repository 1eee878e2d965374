//! The process, its VMs and the registry.

use std::collections::BTreeMap;

use super::*;

pub(super) const TICK: Duration = Duration::from_millis(250);

/// One page of the registry's answers.
#[derive(Clone)]
pub(super) struct ServedPage {
    status: u16,
    headers: Vec<(&'static str, String)>,
    pub(super) body: String,
}

pub(super) fn page(body: impl Into<String>) -> ServedPage {
    ServedPage { status: 200, headers: Vec::new(), body: body.into() }
}

impl ServedPage {
    pub(super) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    pub(super) fn with_next(self, target: &str) -> Self {
        self.with("link", &format!("<{target}>; rel=\"next\""))
    }
}

pub(super) fn status(status: u16) -> ServedPage {
    ServedPage { status, ..page("") }
}

/// Client metadata.
pub(super) fn client(id: &str, dn: &str) -> String {
    format!(
        r#"{{"client_id":"{id}","token_endpoint_auth_method":"tls_client_auth",
            "tls_client_auth_subject_dn":"{dn}"}}"#
    )
}

/// A list of clients with these identifiers.
pub(super) fn list(ids: impl Iterator<Item = String>) -> String {
    let clients: Vec<String> = ids.map(|id| client(&id, &format!("CN={id}"))).collect();
    format!("[{}]", clients.join(","))
}

/// A list of the clients from `c{from}` to before `c{to}`.
pub(super) fn numbered(from: usize, to: usize) -> String {
    list((from..to).map(|n| format!("c{n}")))
}

/// A page of Authlete: the clients from one number to before another, of `total`.
pub(super) fn authlete(from: usize, to: usize, total: usize) -> ServedPage {
    let client = |n: usize| {
        format!(
            r#"{{"clientId":{n},"tokenAuthMethod":"TLS_CLIENT_AUTH",
                "tlsClientAuthSubjectDn":"CN=c{n}"}}"#
        )
    };
    let clients: Vec<String> = (from..to).map(client).collect();
    let clients = clients.join(",");
    page(format!(r#"{{"start":{from},"end":{to},"clients":[{clients}],"totalCount":{total}}}"#))
}

pub(super) fn registry(change: impl FnOnce(&mut FetchedRegistry)) -> Arc<FetchedRegistry> {
    let mut registry = FetchedRegistry {
        identity: "r".into(),
        cluster: "registry".into(),
        authority: "registry.test".into(),
        path: "/clients".into(),
        mode: FetchMode::Snapshot { max_pages: 5, allow_empty: false },
        refresh: Duration::from_secs(10),
        timeout: Duration::from_secs(2),
        max_stale: Duration::from_secs(100),
        headers: vec![("authorization".into(), "Bearer x".into())],
        max_bytes: 1 << 20,
        generation_header: None,
        on_miss: None,
    };
    change(&mut registry);
    Arc::new(registry)
}

/// A process with its VMs, and a registry that answers by path. A request for a path without a page
/// is never answered.
pub(super) struct World {
    pub(super) process: Process,
    /// `None` = the VM is dead.
    pub(super) vms: Vec<Option<Snapshot>>,
    pub(super) registry: Arc<FetchedRegistry>,
    passes_unregistered: bool,
    pub(super) pages: BTreeMap<&'static str, ServedPage>,
    /// The pages that replace that of a path after each request for it.
    sequels: BTreeMap<&'static str, Vec<ServedPage>>,
    pub(super) now: u64,
    /// Which VM requested which path, in order.
    pub(super) asked: Vec<(usize, String)>,
    pub(super) requests: Vec<RegistryRequest>,
    pub(super) events: Vec<RefreshEvent>,
}

impl World {
    pub(super) fn new(vms: usize, registry: Arc<FetchedRegistry>, body: impl Into<String>) -> Self {
        Self::of(vms, registry, false, body)
    }

    pub(super) fn of(
        vms: usize,
        registry: Arc<FetchedRegistry>,
        passes_unregistered: bool,
        body: impl Into<String>,
    ) -> Self {
        // VMs that start in the same nanosecond have the same random number.
        let snapshot = || Some(Snapshot::new(registry.clone(), passes_unregistered, 7));
        Self {
            process: Process::default(),
            vms: (0..vms).map(|_| snapshot()).collect(),
            registry,
            passes_unregistered,
            pages: BTreeMap::from([("/clients", page(body))]),
            sequels: BTreeMap::new(),
            now: 1_000_000,
            asked: vec![],
            requests: vec![],
            events: vec![],
        }
    }

    pub(super) fn vm(&mut self, vm: usize) -> &mut Snapshot {
        self.vms[vm].as_mut().expect("a VM that is not dead")
    }

    pub(super) fn serve(&mut self, path: &'static str, page: ServedPage) {
        self.pages.insert(path, page);
    }

    /// Serves each of these pages once, in order, and then the last one.
    pub(super) fn serve_each(&mut self, path: &'static str, mut pages: Vec<ServedPage>) {
        pages.reverse();
        self.pages.insert(path, pages.pop().expect("a page"));
        self.sequels.insert(path, pages);
    }

    /// One tick of every VM, each with the time for this many pieces of work, and the answers to
    /// their requests.
    pub(super) fn tick_with(&mut self, pieces: usize) {
        self.now += TICK.as_millis() as u64;
        for vm in 0..self.vms.len() {
            let Some(snapshot) = &mut self.vms[vm] else { continue };
            let mut left = pieces;
            let mut has_time = || {
                left = left.saturating_sub(1);
                left > 0
            };
            let outcome = snapshot.tick(TICK, self.now, &mut self.process, &mut has_time);
            self.events.extend(snapshot.take_events());
            if let Some(request) = outcome.request {
                assert!(!outcome.is_busy);
                self.answer(vm, &request);
            }
        }
    }

    fn answer(&mut self, vm: usize, request: &RegistryRequest) {
        let path =
            request.headers.iter().find(|(name, _)| **name == *":path").unwrap().1.to_string();
        let page = self.pages.get(path.as_str()).cloned();
        if let Some((path, sequel)) = self.sequels.iter_mut().find(|(known, _)| ***known == *path)
            && let Some(next) = sequel.pop()
        {
            self.pages.insert(path, next);
        }
        self.asked.push((vm, path));
        self.requests.push(request.clone());
        let Some(page) = page else { return };
        let mut headers = vec![(":status".to_owned(), page.status.to_string().into_bytes())];
        headers.extend(
            page.headers
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.clone().into_bytes())),
        );
        let read = |length: usize| Some(page.body.as_bytes()[..length].to_vec());
        self.vm(vm).on_answer(RegistryAnswer {
            status: Some(page.status),
            headers: &headers,
            body_size: page.body.len(),
            read: &read,
        });
    }

    pub(super) fn tick(&mut self) {
        self.tick_with(usize::MAX);
    }

    pub(super) fn run(&mut self, duration: Duration) {
        for _ in 0..duration.as_millis().div_ceil(TICK.as_millis()) {
            self.tick();
        }
    }

    /// Ticks until the condition holds. Returns the number of ticks before that.
    pub(super) fn run_until(&mut self, holds: impl Fn(&Self) -> bool) -> usize {
        let ticks = (0..1000).find(|_| {
            self.tick();
            holds(self)
        });
        ticks.unwrap_or_else(|| panic!("never: {:?}", self.events))
    }

    /// Ticks until another list is in force, and every VM uses it.
    pub(super) fn run_until_switched(&mut self) {
        let before = self.generation();
        self.run_until(|world| world.generation() != before);
        // VMs that ticked before the switch in the last tick see it in this one.
        self.tick();
    }

    /// The generation of the list in force.
    pub(super) fn generation(&self) -> Option<u64> {
        let key = Keys::of("r", self.passes_unregistered).head();
        let (octets, _) = self.process.values.get(&key)?;
        Some(shared::ListHead::decode(octets).unwrap().generation)
    }

    pub(super) fn find(
        &mut self,
        vm: usize,
        client_id: &str,
    ) -> Result<Registration, RegistryFault> {
        let now = self.now;
        let snapshot = self.vms[vm].as_mut().expect("a VM that is not dead");
        snapshot.find(client_id, &|| now, &mut self.process)
    }

    /// Whether the client is registered, about which all VMs must agree.
    pub(super) fn has(&mut self, client_id: &str) -> bool {
        let alive: Vec<_> = (0..self.vms.len()).filter(|vm| self.vms[*vm].is_some()).collect();
        let found: Vec<_> = alive
            .into_iter()
            .map(|vm| matches!(self.find(vm, client_id), Ok(Registration::Registered(_))))
            .collect();
        assert!(found.iter().all(|has| *has == found[0]), "the VMs disagree about {client_id}");
        found[0]
    }

    pub(super) fn failures(&self) -> Vec<&FetchError> {
        let errors = self.events.iter().filter_map(|event| {
            if let RefreshEvent::Failed { error, .. } = event { Some(error) } else { None }
        });
        errors.collect()
    }

    /// Asserts that the list in force stays while the registry serves `page`. Returns the reason.
    pub(super) fn keeps_the_list(&mut self, page: ServedPage) -> FetchError {
        let generation = self.generation();
        self.events.clear();
        self.serve("/clients", page);
        self.run(Duration::from_secs(15));
        assert_eq!(self.generation(), generation);
        assert!(self.has("c1"));
        self.failures().first().copied().cloned().expect("a failure is reported")
    }

    /// Number of slots with a shard that is not empty.
    pub(super) fn slots_in_use(&self) -> usize {
        let is_used = |slot: &str| {
            let mut values = self.process.values.iter();
            values.any(|(key, (value, _))| key.contains(slot) && !value.is_empty())
        };
        ["/0/", "/1/"].into_iter().filter(|slot| is_used(slot)).count()
    }
}
