//! OAuth 2.0 mutual-TLS client authentication (RFC 8705) at the edge.
