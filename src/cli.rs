//! Arguments, and who takes them.

mod audit;
mod convert;
mod explain;
mod lint;
mod name;
mod output;
mod source;

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use self::output::Format;

/// Unusable input: a file that cannot be read, a certificate that is none.
const UNUSABLE: u8 = 2;

#[derive(Debug, Parser)]
#[command(
    name = "tls-client-auth",
    version,
    about = "Mutual-TLS client authentication (RFC 8705) at the edge: what the filter would decide, and why",
    max_term_width = 120
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Every error and doubtful setting of configurations, with file, line and JSON Pointer, and the mend
    #[command(
        after_help = "Examples:\n  tls-client-auth lint envoy.yaml\n  tls-client-auth lint --format json clients.json wasmplugin.yaml\n\nExit code: 0 no error, 1 errors, 2 a file that cannot be used"
    )]
    Lint(LintArguments),
    /// The decision on one request, step by step
    #[command(
        after_help = "Examples:\n  tls-client-auth explain --config envoy.yaml --certificate client.pem --client-id s6BhdRkqt3\n  tls-client-auth explain --config envoy.yaml --certificate client.pem --client-id s6BhdRkqt3 --body request.txt \\\n    --header 'authorization: Basic ...' --path /revoke\n\nExit code: 0 the request passes, 1 it is refused, 2 input that cannot be used"
    )]
    Explain(ExplainArguments),
    /// Decisions in bulk: one JSON object a line in, one decision a line out
    #[command(
        after_help = "Each line: {\"client_id\", \"certificate\" (PEM or base64 DER), \"chain_valid\", \"body\", \"headers\", \"path\", \"method\", \"host\", \"now\"}, all but the first two\noptional. Each answer: {\"code\", \"status\", \"error\", \"detail\"}.\n\nExamples:\n  tls-client-auth audit --config envoy.yaml --input requests.jsonl > decisions.jsonl\n\nExit code: 0 every line was decided, 2 a line that cannot be used"
    )]
    Audit(AuditArguments),
    /// Distinguished names as they were understood
    #[command(
        after_help = "Examples:\n  tls-client-auth name 'CN=client.example.org, O=Client, C=JP' '/C=JP/O=Client/CN=client.example.org'\n\nExit code: 0 all of them are names, 1 one of them is none"
    )]
    Name(NameArguments),
    /// Client lists of other servers as client metadata of RFC 7591
    #[command(
        after_help = "Converted clients go to standard output, a JSON array; what cannot be carried over exactly is told on standard error, by client.\n\nExamples:\n  tls-client-auth convert --from keycloak realm-export.json > clients.json\n\nExit code: 0 every client was converted, 1 some were not, 2 a file that cannot be used"
    )]
    Convert(ConvertArguments),
    /// A script that completes these commands in a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// The manual page, in roff
    Manual,
}

#[derive(Debug, Args)]
struct LintArguments {
    /// Plugin configurations in JSON, or Envoy's or Istio's YAML or JSON with one inside; - for standard input
    #[arg(required = true, value_name = "CONFIG")]
    configs: Vec<PathBuf>,
    #[command(flatten)]
    output: OutputArguments,
}

#[derive(Debug, Args)]
struct ExplainArguments {
    /// A plugin configuration in JSON, or Envoy's or Istio's YAML or JSON with one inside
    #[arg(long)]
    config: PathBuf,
    /// The client's certificate, PEM (the first of a chain) or DER; none: the client has none
    #[arg(long)]
    certificate: Option<PathBuf>,
    /// The client; without --body this makes the body grant_type=client_credentials&client_id=...
    #[arg(long, required_unless_present = "body")]
    client_id: Option<String>,
    /// A file with the body, byte for byte
    #[arg(long)]
    body: Option<PathBuf>,
    /// A request header, as "name: value"
    #[arg(long = "header", value_name = "NAME: VALUE")]
    headers: Vec<String>,
    /// The path; without it, the first of the configuration's endpoints
    #[arg(long)]
    path: Option<String>,
    /// The method
    #[arg(long, default_value = "POST")]
    method: String,
    /// The host, which chooses the tenant
    #[arg(long, default_value = "localhost")]
    host: String,
    /// Whether Envoy verified the chain: this program has no trust store
    #[arg(long, value_enum, default_value_t = ChainArgument::Valid)]
    chain: ChainArgument,
    /// The time, RFC 3339 or seconds since 1970; without it, now
    #[arg(long)]
    now: Option<String>,
    #[command(flatten)]
    output: OutputArguments,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ChainArgument {
    /// connection.peer_certificate_valid is true
    Valid,
    /// It is false
    Invalid,
    /// Envoy does not give it
    Unknown,
}

#[derive(Debug, Args)]
struct AuditArguments {
    /// A plugin configuration in JSON, or Envoy's or Istio's YAML or JSON with one inside
    #[arg(long)]
    config: PathBuf,
    /// The requests, one JSON object a line; - for standard input
    #[arg(long)]
    input: PathBuf,
}

#[derive(Debug, Args)]
struct NameArguments {
    /// Names, RFC 4514 or OpenSSL's /C=../CN=..
    #[arg(required = true, value_name = "STRING")]
    names: Vec<String>,
    #[command(flatten)]
    output: OutputArguments,
}

#[derive(Debug, Args)]
struct ConvertArguments {
    /// Whose list it is
    #[arg(long, value_enum)]
    from: ServerArgument,
    /// The list, in JSON; - for standard input
    file: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ServerArgument {
    /// Authlete's client list
    Authlete,
    /// Keycloak's client representations, or a realm export
    Keycloak,
    /// Rows of Spring Authorization Server's oauth2_registered_client
    Spring,
    /// Clients of Duende IdentityServer
    Duende,
}

#[derive(Debug, Args)]
struct OutputArguments {
    /// For people, or for programs
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

pub fn run() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Lint(arguments) => lint::run(&arguments.configs, arguments.output.format),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Audit(arguments) => audit::run(&arguments.config, &arguments.input),
        Command::Name(arguments) => name::run(&arguments.names, arguments.output.format),
        Command::Convert(arguments) => convert::run(arguments.from, &arguments.file),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Arguments::command(), "tls-client-auth", &mut io::stdout());
            Ok(ExitCode::SUCCESS)
        }
        Command::Manual => manual().map(|()| ExitCode::SUCCESS),
    };
    done.unwrap_or_else(|unusable| {
        // Whoever reads no more, as `head`, wants no message either.
        if !unusable.is_broken_pipe {
            let _ = writeln!(anstream::stderr(), "tls-client-auth: {}", unusable.message);
        }
        ExitCode::from(UNUSABLE)
    })
}

/// One page for all commands.
fn manual() -> Result<(), Unusable> {
    let mut page = Vec::new();
    let command = Arguments::command();
    clap_mangen::Man::new(command.clone()).render(&mut page)?;
    for subcommand in command.get_subcommands() {
        let name = format!("tls-client-auth {}", subcommand.get_name());
        let section = clap_mangen::Man::new(subcommand.clone().bin_name(name));
        section.render_synopsis_section(&mut page)?;
        section.render_description_section(&mut page)?;
        section.render_options_section(&mut page)?;
        section.render_extra_section(&mut page)?;
    }
    Ok(io::stdout().write_all(&page)?)
}

/// Why a command cannot even begin to answer.
#[derive(Debug)]
pub struct Unusable {
    message: String,
    is_broken_pipe: bool,
}

impl Unusable {
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), is_broken_pipe: false }
    }
}

impl From<io::Error> for Unusable {
    fn from(error: io::Error) -> Self {
        Self { message: error.to_string(), is_broken_pipe: error.kind() == io::ErrorKind::BrokenPipe }
    }
}
