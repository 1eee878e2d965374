//! The arguments of each command, and its help.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use tls_client_auth::inspect::ClientListFormat;

use crate::output::Format;

#[derive(Debug, Parser)]
#[command(
    name = "tls-client-auth",
    version,
    about = "Mutual-TLS client authentication (RFC 8705) at the edge: what the filter would \
        decide, and why",
    max_term_width = 120
)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Every error and doubtful setting of configurations, with file, line, JSON Pointer and fix
    #[command(after_help = "Examples:\n  tls-client-auth lint envoy.yaml\n  tls-client-auth lint \
            --format json manifests/ 'envoy/*.yaml'\n\nExit code: 0 no error, 1 errors, 2 a \
            file that cannot be used")]
    Lint(LintArguments),
    /// The decision on one request, step by step
    #[command(
        after_help = "Examples:\n  tls-client-auth explain --config envoy.yaml --certificate \
            client.pem --client-id s6BhdRkqt3\n  tls-client-auth explain --config envoy.yaml \
            --certificate client.pem --client-id s6BhdRkqt3 \\\n    --body request.txt --header \
            'authorization: Basic ...' --path /revoke\n\nExit code: 0 the request passes, 1 it is \
            refused, 2 input that cannot be used"
    )]
    Explain(Box<ExplainArguments>),
    /// Decisions in bulk: one JSON object a line in, one decision a line out
    ///
    /// A line is an object with "client_id" and "certificate" (PEM, or base64 of DER; null: none).
    /// Optional members: "chain_valid" (default: true), "body" or "body_base64", "headers" (an
    /// object, or pairs of name and value), "path", "method", "host", "server_name" (of the TLS
    /// handshake; null: none; not given: not checked), "verified_token" (the JWT that
    /// jwt_authn would have verified), "now" (RFC 3339, or seconds since 1970) and
    /// "id". A decision is an object with "code", "status", "error" and "detail", and the "id" of
    /// its line.
    #[command(after_help = "Examples:\n  tls-client-auth audit --config envoy.yaml --input \
            requests.jsonl > decisions.jsonl\n\nExit code: 0 every line was decided, 2 a line that \
            cannot be used")]
    Audit(AuditArguments),
    /// Distinguished names as the filter reads them
    #[command(
        after_help = "Examples:\n  tls-client-auth name 'CN=client.example.org, O=Client, C=JP' \
            '/C=JP/O=Client/CN=client.example.org'\n\nExit code: 0 all are \
            valid names, 1 one is not"
    )]
    Name(NameArguments),
    /// Client lists of other servers as client metadata of RFC 7591
    #[command(
        after_help = "Converted clients go to standard output, a JSON array; what cannot be \
            converted exactly is reported on standard error, by client.\n\nExamples:\n  \
            tls-client-auth convert --from keycloak realm-export.json > clients.json\n\nExit code: \
            0 every client was converted, 1 some were not, 2 a file that cannot be used"
    )]
    Convert(ConvertArguments),
    /// Every registration that a certificate allows, as client metadata of RFC 7591
    ///
    /// The output is a JSON array of alternatives: register one of them. Each was tried: the filter
    /// lets the certificate pass with it.
    #[command(
        after_help = "What cannot be registered is reported on standard error.\n\nExamples:\n  \
            tls-client-auth register client.pem --client-id s6BhdRkqt3\n  tls-client-auth register \
            client.pem --by subject-dn --as keycloak\n\nExit code: 0 there is a registration, 1 \
            there is none, 2 a file that cannot be used"
    )]
    Register(RegisterArguments),
    /// A script that completes these commands in a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// The manual page of the program, or of one of its commands, in roff
    #[command(after_help = "Examples:\n  tls-client-auth manual explain | man -l -")]
    Manual {
        /// The command
        command: Option<String>,
    },
}

#[derive(Debug, Args)]
pub struct LintArguments {
    /// Plugin configurations in JSON, or Envoy's or Istio's YAML or JSON with one inside;
    /// directories and patterns of such files; - for standard input
    #[arg(required = true, value_name = "CONFIG")]
    pub configs: Vec<PathBuf>,
    /// Also report what a profile asks of listener and settings, each finding with its clause
    #[arg(long, value_enum)]
    pub profile: Option<ProfileArgument>,
    #[command(flatten)]
    pub output: OutputArguments,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ProfileArgument {
    /// Financial-grade API Security Profile 1.0, Part 2: Advanced
    #[value(name = "fapi1-advanced")]
    Fapi1Advanced,
    /// FAPI 2.0 Security Profile
    Fapi2,
}

#[derive(Debug, Args)]
pub struct ExplainArguments {
    /// A plugin configuration in JSON, or Envoy's or Istio's YAML or JSON with one inside
    #[arg(long)]
    pub config: PathBuf,
    /// What a fetched registry answers: a list in one of its formats; this program fetches nothing
    #[arg(long, value_name = "FILE")]
    pub registry: Option<PathBuf>,
    /// The client's certificate, PEM (the first of a chain) or DER; none: the client has none
    #[arg(long)]
    pub certificate: Option<PathBuf>,
    /// The client; without --body this makes the body of a POST,
    /// grant_type=client_credentials&client_id=...
    #[arg(long, required_unless_present = "body")]
    pub client_id: Option<String>,
    /// A file with the body, byte for byte
    #[arg(long)]
    pub body: Option<PathBuf>,
    /// Request headers, each as "name: value"
    #[arg(long = "header", value_name = "NAME: VALUE", num_args = 1..)]
    pub headers: Vec<String>,
    /// The path; without it, the first of the endpoints
    #[arg(long)]
    pub path: Option<String>,
    /// The method; without it, POST
    #[arg(long)]
    pub method: Option<String>,
    /// The host, which chooses the tenant; without it, one that the configuration names
    #[arg(long)]
    pub host: Option<String>,
    /// The name that the client asks for in the TLS handshake; empty: none; not given, it is not
    /// checked
    #[arg(long)]
    pub server_name: Option<String>,
    /// The access token that Envoy's jwt_authn would have verified, a JWT: this program verifies
    /// no signature
    #[arg(long)]
    pub verified_token: Option<String>,
    /// Whether Envoy verified the chain: this program has no trust store
    #[arg(long, value_enum, default_value_t = ChainArgument::Valid)]
    pub chain: ChainArgument,
    /// The time, RFC 3339 or seconds since 1970; without it, now
    #[arg(long)]
    pub now: Option<String>,
    #[command(flatten)]
    pub output: OutputArguments,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ChainArgument {
    /// connection.peer_certificate_valid is true
    Valid,
    /// It is false
    Invalid,
    /// Envoy does not give it
    Unknown,
}

#[derive(Debug, Args)]
pub struct AuditArguments {
    /// A plugin configuration in JSON, or Envoy's or Istio's YAML or JSON with one inside
    #[arg(long)]
    pub config: PathBuf,
    /// What a fetched registry answers: a list in one of its formats; this program fetches nothing
    #[arg(long, value_name = "FILE")]
    pub registry: Option<PathBuf>,
    /// The requests, one JSON object a line; - for standard input
    #[arg(long)]
    pub input: PathBuf,
}

#[derive(Debug, Args)]
pub struct NameArguments {
    /// Names in the form of RFC 4514 or OpenSSL's /C=../CN=.., or a line that OpenSSL prints,
    /// "subject=C = JP, CN = a"
    #[arg(required = true, value_name = "STRING")]
    pub names: Vec<String>,
    #[command(flatten)]
    pub output: OutputArguments,
}

#[derive(Debug, Args)]
pub struct ConvertArguments {
    /// The server that the list comes from
    #[arg(long, value_enum)]
    pub from: ServerArgument,
    /// The list, in JSON; - for standard input
    pub file: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ServerArgument {
    /// Authlete's client list
    Authlete,
    /// Keycloak's client representations, or a realm export
    Keycloak,
    /// Rows of Spring Authorization Server's oauth2_registered_client
    Spring,
    /// Clients of Duende IdentityServer
    Duende,
}

impl ServerArgument {
    /// The format of its client lists.
    pub fn format(self) -> ClientListFormat {
        match self {
            Self::Authlete => ClientListFormat::Authlete,
            Self::Keycloak => ClientListFormat::Keycloak,
            Self::Spring => ClientListFormat::Spring,
            Self::Duende => ClientListFormat::Duende,
        }
    }
}

#[derive(Debug, Args)]
pub struct RegisterArguments {
    /// The client's certificate, PEM (the first of a chain) or DER; - for standard input
    pub certificate: PathBuf,
    /// The identifier of the client; without it, a placeholder
    #[arg(long)]
    pub client_id: Option<String>,
    /// The server in whose format the client is written; without it, RFC 7591
    #[arg(long = "as", value_enum, value_name = "SERVER")]
    pub server: Option<ServerArgument>,
    /// Registrations of these kinds alone
    #[arg(long, value_enum, value_delimiter = ',', value_name = "KIND")]
    pub by: Vec<RegistrationArgument>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RegistrationArgument {
    /// tls_client_auth_subject_dn
    SubjectDn,
    /// tls_client_auth_san_dns
    SanDns,
    /// tls_client_auth_san_uri
    SanUri,
    /// tls_client_auth_san_ip
    SanIp,
    /// tls_client_auth_san_email
    SanEmail,
    /// A key with x5t#S256
    X5t,
    /// A key with x5c
    X5c,
}

#[derive(Debug, Args)]
pub struct OutputArguments {
    /// Text for people, or JSON for programs
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}
