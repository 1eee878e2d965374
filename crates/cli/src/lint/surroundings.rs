//! What surrounds the configurations: the files become graphs, and the rules judge each graph.

use std::collections::BTreeSet;

use tls_client_auth::inspect::configuration_value;

use super::endpoints::LintedConfig;
use super::finding::Finding;
use super::graph::{FilterChain, Graph, Remark};
use super::located::{At, ConfigPlaces};
use super::rules::Rules;
use super::{envoy, kubernetes, profile, settings};
use crate::arguments::ProfileArgument;
use crate::envoy_config::ConfigFile;

/// The configurations of all files.
struct Configurations {
    places: ConfigPlaces,
    /// None: it has errors, and they come first.
    read: Vec<Option<LintedConfig>>,
    /// The number of its file, and its line there.
    files: Vec<(usize, usize)>,
    /// Whether one of them serves clients of `self_signed_tls_client_auth`.
    serves_self_signed: bool,
}

impl Configurations {
    fn of(files: &[&ConfigFile]) -> Self {
        let (mut places, mut read, mut lines) = (ConfigPlaces::default(), Vec::new(), Vec::new());
        let mut serves_self_signed = false;
        for (number, file) in files.iter().enumerate() {
            for found in &file.found {
                if let Some((document, pointer)) = found.settings.clone() {
                    places.insert(number, document, pointer, read.len());
                }
                read.push(LintedConfig::new(&found.text, found.line(1)));
                lines.push((number, found.line(1)));
                let json = configuration_value(found.text.as_bytes());
                serves_self_signed |= json.is_some_and(|json| settings::serves_self_signed(&json));
            }
        }
        Self { places, read, files: lines, serves_self_signed }
    }

    /// Those in the files of an Envoy whose filter chains do not have them.
    fn in_no_chain(
        &self,
        envoys: &[At<'_>],
        in_chains: &BTreeSet<usize>,
        with_chains: &BTreeSet<usize>,
    ) -> Vec<(usize, Finding)> {
        let mut missing = Vec::new();
        for document in envoys.iter().filter(|document| with_chains.contains(&document.file)) {
            for (pointer, number) in self.places.of_document(*document) {
                // The chain of an upgrade has its own rules.
                if ["/upgrade_configs/", "/upgradeConfigs/"].iter().any(|at| pointer.contains(at)) {
                    continue;
                }
                let place = self.files.get(number).filter(|_| !in_chains.contains(&number));
                missing.extend(place.map(|(file, line)| {
                    let message = "no filter chain in these files has this filter, or not in a \
                        place that is known here: whether it sees any request cannot be followed";
                    (*file, Finding::doubtful(Some(*line), message).at(""))
                }));
            }
        }
        missing
    }

    /// What is wrong with a graph.
    fn judge(&self, graph: &Graph, profile: Option<ProfileArgument>) -> Vec<Remark> {
        let mut remarks = Rules::new(graph, &self.read).findings();
        if let Some(profile) = profile {
            remarks.extend(profile::of_graph(graph, &self.read, profile));
        }
        remarks
    }
}

/// The findings, each with the number of its file.
pub fn findings(files: &[&ConfigFile], profile: Option<ProfileArgument>) -> Vec<(usize, Finding)> {
    let configurations = Configurations::of(files);
    let all = files.iter().enumerate().flat_map(|(file, content)| {
        let documents = content.documents.iter().enumerate();
        documents.map(move |(document, node)| At::root(file, document, node))
    });
    let (resources, envoys): (Vec<At<'_>>, Vec<At<'_>>) =
        all.partition(|at| kubernetes::is_resource(*at));
    let mut remarks: Vec<Remark> = Vec::new();
    let mut found: Vec<(usize, Finding)> = Vec::new();
    let mut with_listener = BTreeSet::new();
    // The files of Envoys that have filter chains.
    let mut with_chains: BTreeSet<usize> = BTreeSet::new();
    let filters = envoy::NamedFilters::of(&envoys, &configurations.places);
    for group in groups(files.len(), &envoys) {
        let (own, others): (Vec<At<'_>>, Vec<At<'_>>) =
            envoys.iter().partition(|at| group.contains(&at.file));
        if let Some(clusters) = envoy::all_clusters(&own) {
            // A file that several Envoys share has each finding once.
            for missing in missing_clusters(files, &group, &clusters) {
                if !found.contains(&missing) {
                    found.push(missing);
                }
            }
        }
        let graph = envoy::graph(own, others, &configurations.places, &filters);
        remarks.extend(configurations.judge(&graph, profile));
        with_listener.extend(graph.chains.iter().flat_map(FilterChain::configs));
        if !graph.chains.is_empty() {
            with_chains.extend(group);
        }
    }
    found.extend(configurations.in_no_chain(&envoys, &with_listener, &with_chains));
    let mut seen = BTreeSet::new();
    remarks.retain(|remark| seen.insert((remark.place.clone(), remark.message.clone())));
    let graph =
        kubernetes::graph(&resources, &configurations.places, configurations.serves_self_signed);
    remarks.extend(configurations.judge(&graph, profile));
    with_listener.extend(graph.chains.iter().flat_map(FilterChain::configs));
    for (number, (file, line)) in configurations.files.iter().enumerate() {
        if let Some(profile) = profile.filter(|_| !with_listener.contains(&number)) {
            let note = profile::listener_not_visible(profile);
            found.push((*file, Finding { line: Some(*line), ..note }));
        }
    }
    found.extend(remarks.into_iter().map(|Remark { place, severity, message }| {
        let finding =
            Finding { severity, line: Some(place.line), pointer: Some(place.pointer), message };
        (place.file, finding)
    }));
    found
}

/// Clusters that a configuration names and that its Envoy does not have.
fn missing_clusters(
    files: &[&ConfigFile],
    group: &[usize],
    clusters: &BTreeSet<String>,
) -> Vec<(usize, Finding)> {
    let mut missing = Vec::new();
    for (number, file) in files.iter().enumerate().filter(|(number, _)| group.contains(number)) {
        // A configuration that is a file of its own may be that of another Envoy.
        for found in file.found.iter().filter(|found| found.settings.is_some()) {
            let json = configuration_value(found.text.as_bytes()).unwrap_or_default();
            for (pointer, name) in settings::named_clusters(&json) {
                if !clusters.contains(name) {
                    let message = format!(
                        "no cluster \"{name}\" in static_resources, and none comes by discovery: \
                         every request to it fails"
                    );
                    let line = Some(found.line_of(&pointer));
                    missing.push((number, Finding::error(line, message).at(pointer)));
                }
            }
        }
    }
    missing
}

/// The files of each Envoy: a bootstrap is an Envoy of its own, and files without one come to each
/// of them by discovery.
fn groups(files: usize, documents: &[At<'_>]) -> Vec<Vec<usize>> {
    let has_bootstrap = |at: &At<'_>| {
        ["static_resources", "dynamic_resources"].iter().any(|name| at.member(name).is_some())
    };
    let with_bootstrap: BTreeSet<usize> =
        documents.iter().filter(|at| has_bootstrap(at)).map(|at| at.file).collect();
    let (bootstraps, rest): (Vec<usize>, Vec<usize>) =
        (0..files).partition(|file| with_bootstrap.contains(file));
    if bootstraps.is_empty() {
        return vec![rest];
    }
    let with_rest = |bootstrap: usize| std::iter::once(bootstrap).chain(rest.clone()).collect();
    bootstraps.into_iter().map(with_rest).collect()
}
