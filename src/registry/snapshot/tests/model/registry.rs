//! The registry, whose list changes.

use super::super::super::super::fetched::RegistryRequest;
use super::super::super::*;
use super::super::world::{client, registry};
use super::mutation::Mutation;
use super::scenario::Scenario;

/// The answer to one request.
#[derive(Clone, Debug, Hash)]
pub(super) struct Answer {
    pub(super) list: usize,
    status: Option<u16>,
    headers: Vec<(String, Vec<u8>)>,
    body: String,
}

/// Clients of every list.
pub(super) const LASTING: [&str; 2] = ["keep", "twin"];
/// Clients of one list each: that of this number.
pub(super) const ONLY: [&str; 3] = ["only-0", "only-1", "only-2"];

impl Answer {
    pub(super) const NONE: Self =
        Self { list: 0, status: None, headers: Vec::new(), body: String::new() };

    /// The answer to a request while the list has this number. With two pages, `twin` is on the
    /// second one in lists of an even number, and on the first one in the others.
    pub(super) fn to(request: &RegistryRequest, list: usize, scenario: &Scenario) -> Self {
        let value = |wanted: &str| {
            let mut headers = request.headers.iter();
            headers.find(|(name, _)| **name == *wanted).map(|(_, value)| value.to_string())
        };
        let tag = format!("\"v{list}\"");
        if scenario.has_etag && value("if-none-match").as_deref() == Some(&tag) {
            return Self { list, status: Some(304), headers: vec![], body: String::new() };
        }
        let path = value(":path").expect("a path");
        let is_second = path != "/clients";
        let is_twin_here = scenario.pages == 1 || is_second == list.is_multiple_of(2);
        let dn = format!("CN=v{list}");
        let mut clients = Vec::new();
        if !is_second {
            clients.extend([client("keep", &dn), client(ONLY[list], &dn)]);
        }
        if is_twin_here {
            clients.push(client("twin", &dn));
        }
        let mut headers = vec![(":status".to_owned(), b"200".to_vec())];
        if scenario.pages == 2 && !is_second {
            headers.push(("link".into(), b"</clients?page=2>; rel=\"next\"".to_vec()));
        }
        if scenario.generation_header {
            headers.push(("x-generation".into(), tag.clone().into_bytes()));
        }
        if scenario.has_etag {
            headers.push(("etag".into(), tag.into_bytes()));
        }
        Self { list, status: Some(200), headers, body: format!("[{}]", clients.join(",")) }
    }

    pub(super) fn deliver(&self, vm: &mut Snapshot) {
        let read = |length: usize| Some(self.body.as_bytes()[..length].to_vec());
        vm.on_answer(RegistryAnswer {
            status: self.status,
            headers: &self.headers,
            body_size: self.body.len(),
            read: &read,
        });
        vm.take_events();
    }
}

/// A VM that has just started.
pub(super) fn started(scenario: &Scenario) -> Snapshot {
    let registry = registry(|registry| {
        registry.refresh = Duration::from_secs(2);
        let reads_header = scenario.generation_header
            && scenario.mutation != Some(Mutation::GenerationHeaderIsIgnored);
        registry.generation_header = reads_header.then(|| "x-generation".into());
    });
    let must_agree =
        scenario.passes_unregistered && scenario.mutation != Some(Mutation::ReadingsNeedNotAgree);
    let mut vm = Snapshot::new(registry, must_agree, 7);
    vm.refresh.sizes = scenario.sizes;
    vm.list.remembered = lru::LruCache::new(std::num::NonZeroUsize::MIN.saturating_add(7));
    vm
}
