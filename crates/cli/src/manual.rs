//! Manual pages, in roff.

use std::io::{self, Write as _};

use clap::CommandFactory as _;

use crate::arguments::Arguments;
use crate::unusable::Unusable;

/// The page of the program, or that of a command.
pub fn print(command: Option<&str>) -> Result<(), Unusable> {
    let mut program = Arguments::command();
    program.build();
    let of = match command {
        None => program,
        Some(name) => {
            let found =
                program.get_subcommands().find(|command| command.get_name() == name).cloned();
            let found = found.ok_or_else(|| Unusable::new(format!("no command {name:?}")))?;
            // `build` gives it a name with a blank, and the name of a page has none.
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
    // Without filling: the lines of examples are no paragraph.
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
