//! Which routes a listener of a Gateway takes.

use crate::lint::kubernetes::resource::Resource;
use crate::lint::located::At;

/// The label that every namespace has: its own name.
const NAME: &str = "kubernetes.io/metadata.name";

/// Whether the listener surely refuses a route that names it. Labels of a namespace that is not in
/// the files may be any.
pub fn refuses(
    resources: &[Resource<'_>],
    gateway: Resource<'_>,
    listener: At<'_>,
    route: Resource<'_>,
) -> bool {
    let allowed = listener.member("allowedRoutes");
    let mut kinds = allowed.into_iter().flat_map(|at| at.list("kinds")).peekable();
    let has_kinds = kinds.peek().is_some();
    if has_kinds && kinds.all(|at| at.text_of("kind").is_some_and(|kind| kind != route.kind)) {
        return true;
    }
    let namespaces = allowed.and_then(|at| at.member("namespaces"));
    match namespaces.and_then(|at| at.text_of("from")).unwrap_or("Same") {
        "Same" => route.namespace != gateway.namespace,
        "None" => true,
        "Selector" => {
            let labels = namespaces.and_then(|at| at.path(&["selector", "matchLabels"]));
            let own =
                resources.iter().find(|one| one.kind == "Namespace" && one.name == route.namespace);
            labels.into_iter().flat_map(At::members).any(|(name, value)| match own {
                _ if name == NAME => value.text() != Some(route.namespace),
                Some(own) => {
                    let labels = own.at.path(&["metadata", "labels"]);
                    labels.and_then(|labels| labels.text_of(name)) != value.text()
                }
                None => false,
            })
        }
        _ => false,
    }
}
