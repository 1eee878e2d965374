//! Members of a route or of a connection manager that no resource of Kubernetes shows.

/// They change where a request goes, or the path with which it arrives, whatever other members say.
pub const REROUTING: [&str; 15] = [
    "cluster_header",
    "cluster_specifier_plugin",
    "inline_cluster_specifier_plugin",
    "host_rewrite",
    "host_rewrite_literal",
    "host_rewrite_header",
    "host_rewrite_path_regex",
    "internal_redirect_policy",
    "path_rewrite",
    "path_rewrite_policy",
    "prefix_rewrite",
    "regex_rewrite",
    "rds",
    "scoped_routes",
    "vhds",
];
