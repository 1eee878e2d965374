//! Arguments, and who takes them.

mod audit;
mod convert;
mod document;
mod explain;
mod lint;
mod name;
mod output;
mod request;
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
    about = "Mutual-TLS client authentication (RFC 8705) at the edge: what the filter would \
        decide, and why",
    max_term_width = 120
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Every error and doubtful setting of configurations, with file, line and JSON Pointer, and
    /// the mend
    #[command(after_help = "Examples:\n  tls-client-auth lint envoy.yaml\n  tls-client-auth lint \
            --format json clients.json wasmplugin.yaml\n\nExit code: 0 no error, 1 errors, 2 a \
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
    Explain(ExplainArguments),
    /// Decisions in bulk: one JSON object a line in, one decision a line out
    ///
    /// A line is an object with "client_id", "certificate" (PEM, or base64 of DER; null: none), and
    /// if wanted "chain_valid" (true unless said), "body" or "body_base64", "headers" (an object,
    /// or pairs of name and value), "path", "method", "host", "server_name" (of the TLS handshake;
    /// null: none; not given: not checked), "now" (RFC 3339, or seconds since 1970) and "id". A
    /// decision is an object with "code", "status", "error" and "detail", and the "id" of its line.
    #[command(after_help = "Examples:\n  tls-client-auth audit --config envoy.yaml --input \
            requests.jsonl > decisions.jsonl\n\nExit code: 0 every line was decided, 2 a line that \
            cannot be used")]
    Audit(AuditArguments),
    /// Distinguished names as they were understood
    #[command(
        after_help = "Examples:\n  tls-client-auth name 'CN=client.example.org, O=Client, C=JP' \
            '/C=JP/O=Client/CN=client.example.org'\n\nExit code: 0 all of them are names, 1 one of \
            them is none"
    )]
    Name(NameArguments),
    /// Client lists of other servers as client metadata of RFC 7591
    #[command(
        after_help = "Converted clients go to standard output, a JSON array; what cannot be \
            carried over exactly is told on standard error, by client.\n\nExamples:\n  \
            tls-client-auth convert --from keycloak realm-export.json > clients.json\n\nExit code: \
            0 every client was converted, 1 some were not, 2 a file that cannot be used"
    )]
    Convert(ConvertArguments),
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
struct LintArguments {
    /// Plugin configurations in JSON, or Envoy's or Istio's YAML or JSON with one inside; - for
    /// standard input
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
    /// What a fetched registry answers: a list in one of its formats; this program fetches nothing
    #[arg(long, value_name = "FILE")]
    registry: Option<PathBuf>,
    /// The client's certificate, PEM (the first of a chain) or DER; none: the client has none
    #[arg(long)]
    certificate: Option<PathBuf>,
    /// The client; without --body this makes the body of a POST,
    /// grant_type=client_credentials&client_id=...
    #[arg(long, required_unless_present = "body")]
    client_id: Option<String>,
    /// A file with the body, byte for byte
    #[arg(long)]
    body: Option<PathBuf>,
    /// Request headers, each as "name: value"
    #[arg(long = "header", value_name = "NAME: VALUE", num_args = 1..)]
    headers: Vec<String>,
    /// The path; without it, the first of the endpoints
    #[arg(long)]
    path: Option<String>,
    /// The method; without it, POST
    #[arg(long)]
    method: Option<String>,
    /// The host, which chooses the tenant; without it, one that the configuration names
    #[arg(long)]
    host: Option<String>,
    /// The name that the client asks for in the TLS handshake; empty: none; not given, it is not
    /// checked
    #[arg(long)]
    server_name: Option<String>,
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
    /// What a fetched registry answers: a list in one of its formats; this program fetches nothing
    #[arg(long, value_name = "FILE")]
    registry: Option<PathBuf>,
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
        Command::Audit(arguments) => {
            audit::run(&arguments.config, arguments.registry.as_deref(), &arguments.input)
        }
        Command::Name(arguments) => name::run(&arguments.names, arguments.output.format),
        Command::Convert(arguments) => convert::run(arguments.from, &arguments.file),
        Command::Completions { shell } => {
            clap_complete::generate(
                shell,
                &mut Arguments::command(),
                "tls-client-auth",
                &mut io::stdout(),
            );
            Ok(ExitCode::SUCCESS)
        }
        Command::Manual { command } => manual(command.as_deref()).map(|()| ExitCode::SUCCESS),
    };
    done.unwrap_or_else(|unusable| {
        unusable.print();
        ExitCode::from(UNUSABLE)
    })
}

/// The page of the program, or that of a command.
fn manual(command: Option<&str>) -> Result<(), Unusable> {
    let mut program = Arguments::command();
    program.build();
    let of = match command {
        None => program,
        Some(name) => {
            let found =
                program.get_subcommands().find(|command| command.get_name() == name).cloned();
            let found = found.ok_or_else(|| Unusable::new(format!("no command {name:?}")))?;
            // `build` gave it a name with a blank, and a page has one word.
            found.display_name(format!("tls-client-auth-{name}"))
        }
    };
    let mut page = Vec::new();
    let more = of.get_after_help().map(ToString::to_string).unwrap_or_default();
    let page_of = clap_mangen::Man::new(of.after_help(""));
    page_of.render_title(&mut page)?;
    page_of.render_name_section(&mut page)?;
    page_of.render_synopsis_section(&mut page)?;
    page_of.render_description_section(&mut page)?;
    page_of.render_options_section(&mut page)?;
    if command.is_none() {
        page_of.render_subcommands_section(&mut page)?;
    }
    // As it stands: examples are no prose, and lines of them no paragraph.
    for line in more.lines() {
        match line.strip_suffix(':') {
            Some("Examples") => writeln!(page, ".SH EXAMPLES\n.nf")?,
            _ => match line.split_once("Exit code: ") {
                Some((_, codes)) => writeln!(page, ".fi\n.SH EXIT STATUS\n{}", roff(codes))?,
                None => writeln!(page, "{}", roff(line.trim_start()))?,
            },
        }
    }
    Ok(io::stdout().write_all(&page)?)
}

/// A line of text in roff.
fn roff(line: &str) -> String {
    let escaped = line.replace('\\', "\\e").replace('-', "\\-").replace('\'', "\\(aq");
    if escaped.starts_with('.') { format!("\\&{escaped}") } else { escaped }
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

    fn print(&self) {
        // Whoever reads no more, as `head`, wants no message either.
        if !self.is_broken_pipe {
            let _ =
                writeln!(anstream::stderr(), "tls-client-auth: {}", output::visible(&self.message));
        }
    }
}

impl From<io::Error> for Unusable {
    fn from(error: io::Error) -> Self {
        Self {
            message: error.to_string(),
            is_broken_pipe: error.kind() == io::ErrorKind::BrokenPipe,
        }
    }
}
