//! Resources of Kubernetes, and their names.

use crate::lint::located::At;

/// A resource.
#[derive(Clone, Copy, Debug)]
pub struct Resource<'a> {
    pub at: At<'a>,
    pub kind: &'a str,
    /// `gateway.networking.k8s.io` of `gateway.networking.k8s.io/v1`.
    pub group: &'a str,
    pub namespace: &'a str,
    pub name: &'a str,
}

/// Whether a header of this name is the host of a request.
pub fn is_host(header: &str) -> bool {
    ["host", ":authority"].iter().any(|name| header.eq_ignore_ascii_case(name))
}

impl<'a> Resource<'a> {
    fn of(at: At<'a>) -> Option<Self> {
        let metadata = |name: &str| at.path(&["metadata", name]).and_then(At::text);
        Some(Self {
            at,
            kind: at.text_of("kind")?,
            group: at
                .text_of("apiVersion")
                .unwrap_or_default()
                .split('/')
                .next()
                .unwrap_or_default(),
            namespace: metadata("namespace").unwrap_or("default"),
            name: metadata("name").unwrap_or_default(),
        })
    }

    pub fn spec(self) -> Option<At<'a>> {
        self.at.member("spec")
    }

    /// The elements of a list in `spec`.
    pub fn list(self, name: &str) -> impl Iterator<Item = At<'a>> {
        self.spec().into_iter().flat_map(move |spec| spec.list(name).collect::<Vec<_>>())
    }

    /// As in a sentence.
    pub fn printed(self) -> String {
        format!("{} \"{}/{}\"", self.kind, self.namespace, self.name)
    }

    /// Whether these labels are on it.
    pub fn has_labels(self, wanted: At<'a>) -> bool {
        let own = self.at.path(&["metadata", "labels"]);
        wanted.members().all(|(name, value)| own.and_then(|own| own.text_of(name)) == value.text())
    }
}

/// Whether a document is one, or a list of them.
pub fn is_resource(at: At<'_>) -> bool {
    at.text_of("kind").is_some()
        && ["apiVersion", "spec", "items"].iter().any(|name| at.member(name).is_some())
}

/// The documents as resources, those in a `List` one by one.
pub fn resources<'a>(documents: &[At<'a>]) -> Vec<Resource<'a>> {
    let each = documents.iter().flat_map(|at| match at.member("items") {
        Some(items) => items.elements().collect::<Vec<_>>(),
        None => vec![*at],
    });
    each.filter_map(Resource::of).collect()
}

/// The name of a service with its port, so that one service has one name.
pub fn service(host: &str, namespace: &str, port: Option<At<'_>>) -> String {
    let full = match host.split('.').count() {
        1 => format!("{host}.{namespace}.svc.cluster.local"),
        3 if host.ends_with(".svc") => format!("{host}.cluster.local"),
        _ => host.to_owned(),
    };
    port.map_or(full.clone(), |port| format!("{full}:{}", port.node.to_json()))
}
